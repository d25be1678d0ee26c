"""CSMoE as a backbone of TerraTorch, by its name `csmoe` (https://ibm.github.io/terratorch).

`register()` tells TerraTorch of it: in a program before a model is built, or for TerraTorch's
own command line in a file ``custom_modules/__init__.py`` of the folder where it runs.
TerraTorch is loaded by `register` alone, so that all else does without.
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
    """The encoder of one sensor as TerraTorch wants it: an image in, a list of maps out."""

    def __init__(
        self,
        checkpoint: str | Path,
        *,
        sensor: SensorName = "s2",
        bands: Sequence[str] | None = None,
        layers: Sequence[int] | None = None,
        normalise: bool = False,
    ) -> None:
        """Load the encoder, and nothing that it does not need.

        Args:
            checkpoint: As `CSMoE.from_pretrained` takes it.
            sensor: Whose images it takes.
            bands: Names of their channels, in any order, others among them; `MODEL_BANDS` when
                None. TerraTorch's own names will do.
            layers: Numbers in `CSMoE.feature_info` of the maps to give; all when None.
            normalise: Whether images come as measured (reflectance × 10,000, dB) and are
                normalised here, with the statistics of the pretraining. Otherwise the data
                module has normalised them.

        Raises:
            InputError: If the checkpoint is none, or lacks the sensor, a layer or a band.
        """
        super().__init__()
        if sensor not in MODEL_BANDS:
            raise InputError(f"sensor must be s2 or s1; it is {sensor!r}")
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
        """Channels of each map."""
        self.patch_size = model.config.patch_size
        """TerraTorch pads images to a multiple of it."""

    def forward(self, image_BCHW: Float[Tensor, "B C H W"]) -> list[Tensor]:
        """Compute the maps, [B, D, H / patch, W / patch] each."""
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
    """Build the backbone; see `CSMoEBackbone`. TerraTorch finds it by the function's name."""
    return CSMoEBackbone(checkpoint, sensor=sensor, bands=bands, layers=layers, normalise=normalise)


def register() -> None:
    """Tell TerraTorch of the backbone `csmoe`.

    Raises:
        InputError: If TerraTorch is not installed.
    """
    registry = load_package("terratorch.registry.registry", extra="terratorch")
    registry.TERRATORCH_BACKBONE_REGISTRY.register(csmoe)
