"""The encoder as a user calls it: normalise images, compute vectors and feature maps.

Axes, as name suffixes:
    B  images in a batch    C  bands    H W  pixel rows and columns    D  token width
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from csmoe_model.config import ModelConfig
from csmoe_model.data.bands import pick
from csmoe_model.data.preprocess import Images, Preprocess, as_tensor, check_finite
from csmoe_model.nn.backbone import SENSORS, Backbone
from csmoe_model.nn.feature_maps import feature_info, feature_maps
from minortom.errors import InputError
from minortom.sensors import SensorName


class ImageEncoder(nn.Module):
    """The encoder of one sensor or of both, `backbone`, and the normalisation of its images."""

    def __init__(
        self, config: ModelConfig, *, encoder_of: Sequence[SensorName] | None = None
    ) -> None:
        """Build the encoder of some sensors; of both when None.

        Raises:
            InputError: If `config` is not a `ModelConfig`.
        """
        super().__init__()
        if not isinstance(config, ModelConfig):
            raise InputError(
                f"config must be a ModelConfig, found {type(config).__name__}; get one from "
                "csmoe_model.recipe, or load weights with from_pretrained"
            )
        self.config = config
        self.encoder_only = None if encoder_of is None else tuple(encoder_of)
        """Sensors of an encoder alone; None for the whole pretraining model."""
        self.backbone = Backbone(config, sensors=encoder_of or SENSORS)
        self.preprocess: Preprocess | None = None
        """Normalisation with the statistics of the training data; None if they are unknown."""

    @property
    def sensors(self) -> tuple[SensorName, ...]:
        """Sensors whose images can be encoded."""
        return SENSORS if self.encoder_only is None else self.encoder_only

    def prepare(
        self,
        s2: Images | None = None,
        s1: Images | None = None,
        *,
        s2_bands: Sequence[str] | None = None,
        s1_bands: Sequence[str] | None = None,
        image_size: int | None = None,
    ) -> dict[str, Tensor]:
        """Normalise images with the statistics of the training data, for `encode(**images)`.

        Args:
            s2: Sentinel-2 images [B, C, H, W], a NumPy array or a tensor of any integer or
                floating-point dtype, all bands on one grid: reflectance × 10,000 without the
                offset of processing baseline 04.00.
            s1: Sentinel-1 images [B, C, H, W]: gamma0 in dB.
            s2_bands: Names of the channels of `s2`, in any order; other bands are left out.
                `MODEL_BANDS["s2"]` when None.
            s1_bands: The same for `s1`.
            image_size: Side of the result in pixels, resized as in training; that of the images
                when None.

        Returns:
            float32 tensors [B, C, H, W] with the bands of the model, under `s2` and `s1`, on the
            device of the model.

        Raises:
            InputError: If the model has no statistics, a type or shape does not fit, a band is
                missing or unknown, or a pixel is not a finite number.
        """
        if self.preprocess is None:
            raise InputError(
                "prepare needs the statistics of the training data, and this model has none; load "
                "it with from_pretrained, or pass normalised images to encode"
            )
        bands = {"s2": s2_bands, "s1": s1_bands}
        return {
            str(sensor): self.preprocess(sensor, images, bands=bands[sensor], image_size=image_size)
            for sensor, images in _given(s2, s1).items()
        }

    def encode(
        self,
        s2: Images | None = None,
        s1: Images | None = None,
        *,
        s2_bands: Sequence[str] | None = None,
        s1_bands: Sequence[str] | None = None,
        patch_tokens: bool = False,
    ) -> dict[str, Tensor]:
        """Encode whole normalised images of one sensor or of both.

        Args:
            s2: Normalised Sentinel-2 images [B, C, H, W], floating point, of any height and width
                that the patch divides. A tensor lies on the device of the model; a NumPy array is
                copied to it, as float32.
            s1: Normalised Sentinel-1 images; their number and size may differ from those of `s2`.
            s2_bands: Names of the channels of `s2`, in any order; other bands are left out.
                `MODEL_BANDS["s2"]` when None.
            s1_bands: The same for `s1`.
            patch_tokens: Whether to return the tokens of the patches, too.

        Returns:
            Tensors, under `s2` and `s1` for the sensors given: the [CLS] vectors [B, D]. With
            `patch_tokens` also [B, N, D] in raster order, under `s2_tokens` and `s1_tokens`.

        Raises:
            InputError: If no image is given, the model has no encoder of the sensor, or a type,
                shape or band does not fit.
        """
        bands = {"s2": s2_bands, "s1": s1_bands}
        picked = {
            sensor: pick(sensor, self._measured(sensor, images), bands[sensor])
            for sensor, images in _given(s2, s1).items()
        }
        encoded: dict[str, Tensor] = self.backbone(**picked, patch_tokens=patch_tokens)
        return encoded

    def features(
        self,
        s2: Images | None = None,
        s1: Images | None = None,
        *,
        layers: Sequence[int] | None = None,
    ) -> list[Tensor]:
        """Compute the feature maps of some layers, for dense heads.

        Args:
            s2: Normalised Sentinel-2 images, as for `encode`; one sensor per call.
            s1: Normalised Sentinel-1 images.
            layers: Indices in `feature_info`, from 0 or, from the end, from -1; all when None.

        Returns:
            One map [B, D, H / patch, W / patch] per layer, in the order of `layers`; see
            `nn.feature_maps.feature_maps`.

        Raises:
            InputError: If not exactly one sensor is given, a layer does not exist, or the images
                do not fit.
        """
        given = _given(s2, s1)
        if len(given) != 1:
            raise InputError(
                f"features takes the images of one sensor, s2 or s1; found {len(given)} sensors"
            )
        ((sensor, images),) = given.items()
        return feature_maps(self.backbone, sensor, self._measured(sensor, images), layers)

    @property
    def feature_info(self) -> list[dict[str, object]]:
        """Description of each layer's map: `num_chs`, `reduction` and `module`, as in timm."""
        return feature_info(self.config)

    def _measured(self, sensor: SensorName, images: Images) -> Tensor:
        """Return normalised images as a tensor, after a check that every pixel is a number."""
        image_BCHW = self._tensor(sensor, images)
        if not torch.compiler.is_compiling():  # a compiled graph cannot depend on the values
            check_finite(sensor, image_BCHW)
        return image_BCHW

    def _tensor(self, sensor: SensorName, images: Images) -> Tensor:
        """Return normalised images as a tensor; an array's floats go to the model's device."""
        image_BCHW = as_tensor(sensor, images)
        if isinstance(images, Tensor) or not image_BCHW.is_floating_point():
            return image_BCHW
        return image_BCHW.to(next(self.backbone.parameters()).device, torch.float32)


def _given(s2: Images | None, s1: Images | None) -> dict[SensorName, Images]:
    both: dict[SensorName, Images | None] = {"s2": s2, "s1": s1}
    return {sensor: images for sensor, images in both.items() if images is not None}
