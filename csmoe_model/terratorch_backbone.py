"""The backbone `csmoe` for TerraTorch (https://ibm.github.io/terratorch).

Call `register()` before TerraTorch builds a model. For TerraTorch's command line, call it in a
file ``custom_modules/__init__.py`` of the working folder. Only `register` imports TerraTorch.
"""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from csmoe_model.csmoe import CSMoE
from csmoe_model.data.bands import channels, pick
from csmoe_model.nn.feature_maps import feature_maps, layer_numbers
from csmoe_model.nn.shapes import Float
from csmoe_model.optional_packages import load_package
from minortom.errors import InputError
from minortom.sensors import MODEL_BANDS, SensorName


class CSMoEBackbone(nn.Module):
    """Encoder of one sensor with the interface of TerraTorch: an image in, a list of maps out."""

    def __init__(
        self,
        checkpoint: str | Path,
        *,
        sensor: SensorName = "s2",
        bands: Sequence[str] | None = None,
        layers: Sequence[int] | None = None,
        normalise: bool = False,
    ) -> None:
        """Load the encoder of one sensor.

        Args:
            checkpoint: Folder or repository, as for `CSMoE.from_pretrained`.
            sensor: Sensor of the images, `s2` or `s1`.
            bands: Names of the channels, in any order; other bands are left out. TerraTorch's
                names are allowed. `MODEL_BANDS` when None.
            layers: Numbers of the maps to return, as in `CSMoE.feature_info`; all when None.
            normalise: Whether to normalise measured values (reflectance × 10,000, dB) with the
                statistics of the pretraining. If false, the data module normalises the images.

        Raises:
            InputError: If the checkpoint does not exist or has no encoder of the sensor, or a
                layer or a band does not exist.
        """
        super().__init__()
        if sensor not in MODEL_BANDS:
            raise InputError(f"sensor must be s2 or s1, found {sensor!r}")
        model = CSMoE.from_pretrained(checkpoint)
        self.sensor: SensorName = sensor
        # TerraTorch's bands are members of an enumeration.
        names = None if bands is None else [str(getattr(band, "value", band)) for band in bands]
        if names is not None:
            channels(sensor, names)
        self.bands = names
        self.backbone = model.backbone
        self.backbone.encoder_of(sensor)
        for other in [name for name in self.backbone.sensors if name != sensor]:
            del self.backbone.sensors[other]
        self.preprocess = model.preprocess if normalise else None
        self.layers = layer_numbers(model.config, layers)
        self.out_channels = [model.config.width] * len(self.layers)
        """Number of channels of each map."""
        self.patch_size = model.config.patch_size
        """Patch size in pixels; TerraTorch pads images to a multiple of it."""

    def forward(self, image_BCHW: Float[Tensor, "B C H W"]) -> list[Tensor]:
        """Return the maps of the layers, [B, D, H / patch, W / patch] each."""
        if self.preprocess is not None:
            image_BCHW = self.preprocess(self.sensor, image_BCHW, bands=self.bands)
        else:
            image_BCHW = pick(self.sensor, image_BCHW, self.bands)
        return feature_maps(self.backbone, self.sensor, image_BCHW, self.layers)


def csmoe(
    checkpoint: str | Path,
    *,
    sensor: SensorName = "s2",
    bands: Sequence[str] | None = None,
    layers: Sequence[int] | None = None,
    normalise: bool = False,
) -> CSMoEBackbone:
    """Return a `CSMoEBackbone`. TerraTorch finds the backbone by the name of this function."""
    return CSMoEBackbone(checkpoint, sensor=sensor, bands=bands, layers=layers, normalise=normalise)


def register() -> None:
    """Register the backbone `csmoe` with TerraTorch.

    Raises:
        InputError: If TerraTorch is not installed.
    """
    registry = load_package("terratorch.registry.registry", extra="terratorch")
    registry.TERRATORCH_BACKBONE_REGISTRY.register(csmoe)
