"""The encoder path of one sensor or of both: what is left after pretraining.

Axes, as name suffixes:
    B  images in a batch    C  bands    H W  pixel rows and columns    D  token width
    T  tokens of an image: [CLS] and its patches
    A digit after them tells the sensors apart: the two need not be equally many or large.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from csmoe_model.config import ModelConfig
from csmoe_model.data.bands import check_image
from csmoe_model.nn.encoder import OnLayer, SensorEncoder, SharedEncoder
from csmoe_model.nn.layers import patchify
from csmoe_model.nn.shapes import Float
from minortom.errors import InputError
from minortom.sensors import MODEL_BANDS, SensorName

SENSORS: tuple[SensorName, ...] = tuple(MODEL_BANDS)
"""The sensors of a pair, in the order in which the model lists them."""


class Backbone(nn.Module):
    """Sensor encoders and the shared encoder, without anything that only pretraining needs."""

    def __init__(self, config: ModelConfig, *, sensors: Sequence[SensorName] = SENSORS) -> None:
        """Build the paths of `sensors`."""
        super().__init__()
        self.config = config
        self.sensors = nn.ModuleDict({name: SensorEncoder(config, name) for name in sensors})
        self.shared = SharedEncoder(config)

    def forward(
        self,
        *,
        s2: Float[Tensor, "B2 C2 H2 W2"] | None = None,
        s1: Float[Tensor, "B1 C1 H1 W1"] | None = None,
        patch_tokens: bool = False,
    ) -> dict[str, Tensor]:
        """Encode whole images of either sensor or both.

        Args:
            s2: Normalised Sentinel-2 images, bands as in `MODEL_BANDS["s2"]`. Any height and
                width that the patch divides; positions are stretched to the new grid.
            s1: Normalised Sentinel-1 images, bands as in `MODEL_BANDS["s1"]`.
            patch_tokens: Give the patches' tokens too.

        Returns:
            For each sensor given: its [CLS] vectors [B, D] under `s2` or `s1` and, where
            asked for, its patch tokens [B, N, D] in raster order under `s2_tokens` or
            `s1_tokens`.

        Raises:
            InputError: If no image is given, one of a sensor that is not here, or one whose
                bands or size do not fit.
        """
        given: dict[SensorName, Tensor] = {}
        for name, image in (("s2", s2), ("s1", s1)):
            if image is not None:
                given[name] = image  # type: ignore[index]  # both names are sensors
        if not given:
            raise InputError("encode needs an image of at least one sensor, s2 or s1; got none")
        out = {}
        for name, image_BCHW in given.items():
            token_BND = self.tokens(name, image_BCHW)
            out[str(name)] = token_BND[:, 0]
            if patch_tokens:
                out[f"{name}_tokens"] = token_BND[:, 1:]
        return out

    def tokens(
        self, sensor: SensorName, image_BCHW: Tensor, *, on_layer: OnLayer | None = None
    ) -> Float[Tensor, "B T D"]:
        """Encode whole images of one sensor; the first token is [CLS].

        Args:
            sensor: Whose images they are.
            image_BCHW: As `forward` takes them.
            on_layer: Told of each layer: the sensor's own, then the shared ones.

        Raises:
            InputError: As `forward`.
        """
        encoder = self.encoder_of(sensor)
        check_image(sensor, image_BCHW)
        patch_size = self.config.patch_size
        patches_BNP = patchify(image_BCHW, patch_size)
        grid = (image_BCHW.shape[2] // patch_size, image_BCHW.shape[3] // patch_size)
        own_BTD = encoder(patches_BNP, grid=grid, on_layer=on_layer)
        encoded: Tensor = self.shared(own_BTD, on_layer=on_layer)
        return encoded

    def encoder_of(self, sensor: SensorName) -> SensorEncoder:
        """Give the layers that a sensor has to itself.

        Raises:
            InputError: If the sensor is not here.
        """
        if sensor not in self.sensors:
            raise InputError(f"this model has no {sensor} path; it has {', '.join(self.sensors)}")
        encoder = self.sensors[sensor]
        assert isinstance(encoder, SensorEncoder)
        return encoder
