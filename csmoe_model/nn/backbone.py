"""The encoder of one sensor or of both: the part of the model that is used after pretraining.

Axes, as name suffixes:
    B  images in a batch    C  bands    H W  pixel rows and columns    D  token width
    T  tokens of an image: [CLS] and its patches    K  patches of a local crop
    A digit after them is the number of the sensor: batches and sizes of the two may differ.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from csmoe_model.config import ModelConfig
from csmoe_model.data.bands import check_image
from csmoe_model.distributed.device import autocast_for
from csmoe_model.experts.conditions import Granularity
from csmoe_model.nn.encoder import OnLayer, SensorEncoder, SharedEncoder
from csmoe_model.nn.layers import patchify
from csmoe_model.nn.shapes import Float
from minortom.errors import InputError
from minortom.sensors import MODEL_BANDS, SensorName

SENSORS: tuple[SensorName, ...] = tuple(MODEL_BANDS)
"""The sensors of a pair, in the order of the model."""


class Backbone(nn.Module):
    """Sensor encoders and the shared encoder, without the parts for pretraining only."""

    def __init__(self, config: ModelConfig, *, sensors: Sequence[SensorName] = SENSORS) -> None:
        """Build the encoders of `sensors` and the shared encoder."""
        super().__init__()
        self.config = config
        self.sensors = nn.ModuleDict({name: SensorEncoder(config, name) for name in sensors})
        self.shared = SharedEncoder(config, sensors=sensors)

    def forward(
        self,
        *,
        s2: Float[Tensor, "B2 C2 H2 W2"] | None = None,
        s1: Float[Tensor, "B1 C1 H1 W1"] | None = None,
        patch_tokens: bool = False,
    ) -> dict[str, Tensor]:
        """Encode whole images of one sensor or of both.

        Args:
            s2: Normalised Sentinel-2 images, bands as in `MODEL_BANDS["s2"]`. Any height and
                width that the patch divides; positions are interpolated to the new grid.
            s1: Normalised Sentinel-1 images, bands as in `MODEL_BANDS["s1"]`.
            patch_tokens: Whether to return the tokens of the patches, too.

        Returns:
            For each sensor given: its [CLS] vectors [B, D] under `s2` or `s1` and, with
            `patch_tokens`, its patch tokens [B, N, D] in raster order under `s2_tokens` or
            `s1_tokens`.

        Raises:
            InputError: If no image is given, the model has no encoder of the sensor, or the bands
                or the size do not fit.
        """
        given: dict[SensorName, Tensor] = {}
        for name, image in (("s2", s2), ("s1", s1)):
            if image is not None:
                given[name] = image  # type: ignore[index]  # both names are sensors
        if not given:
            raise InputError("encode needs images of at least one sensor, s2 or s1, found none")
        out = {}
        for name, image_BCHW in given.items():
            token_BND = self.tokens(name, image_BCHW)
            out[str(name)] = token_BND[:, 0]
            if patch_tokens:
                out[f"{name}_tokens"] = token_BND[:, 1:]
        return out

    def tokens(
        self,
        sensor: SensorName,
        image_BCHW: Tensor,
        *,
        crop_BK: Tensor | None = None,
        on_layer: OnLayer | None = None,
    ) -> Float[Tensor, "B T D"]:
        """Encode whole images of one sensor, or local crops; the first token is [CLS].

        Args:
            sensor: Sensor of the images.
            image_BCHW: Normalised images, as for `forward`.
            crop_BK: Indices of the patches of a local crop of each image, ascending, from
                `nn.masking.draw_crops`; whole images when None.
            on_layer: Called after each layer: first those of the sensor, then the shared ones.

        Raises:
            InputError: As `forward`.
        """
        encoder = self.encoder_of(sensor)
        check_image(sensor, image_BCHW)
        patch_size = self.config.patch_size
        patches_BNP = patchify(image_BCHW, patch_size)
        grid = (image_BCHW.shape[2] // patch_size, image_BCHW.shape[3] // patch_size)
        granularity: Granularity = "whole" if crop_BK is None else "local"
        with autocast_for(encoder.cls_D):
            own_BTD = encoder(patches_BNP, grid=grid, visible_BU=crop_BK, on_layer=on_layer)
            encoded: Tensor = self.shared(
                own_BTD, conditions=[(sensor, granularity)], on_layer=on_layer
            )
        return encoded

    def encoder_of(self, sensor: SensorName) -> SensorEncoder:
        """Return the encoder layers of a sensor.

        Raises:
            InputError: If the model has no encoder of the sensor.
        """
        if sensor not in self.sensors:
            raise InputError(
                f"the sensor must be one that this model encodes, {', '.join(self.sensors)}, found "
                f"{sensor}; load another model"
            )
        encoder = self.sensors[sensor]
        assert isinstance(encoder, SensorEncoder)
        return encoder
