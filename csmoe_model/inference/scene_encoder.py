"""Encoder of the tiles of a scene.

Axes, as name suffixes:
    B  tiles of a batch    C  bands    H W  pixel rows and columns
    S  pixels along a side of the model's image    D  token width
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from csmoe_model.data.normalise import resized
from csmoe_model.distributed.device import fast_inference
from csmoe_model.extractors.checkpoint import LoadedModel
from csmoe_model.extractors.extractor import Extractor
from csmoe_model.inference.scene_features import EncodeTiles
from csmoe_model.inference.tile_grid import FloatArray
from csmoe_model.nn.image_encoder import ImageEncoder
from minortom.sensors import SensorName


def tile_encoder(extractor: Extractor) -> EncodeTiles:
    """Return the encoder of the tiles of a scene: to patch tokens where the extractor has them."""
    if isinstance(extractor, LoadedModel):
        return SceneEncoder(model=extractor.model)
    return VectorEncoder(extractor=extractor)


@dataclass(frozen=True, kw_only=True, eq=False)
class VectorEncoder:
    """Encoder of tiles to one vector each, for extractors without patch tokens."""

    extractor: Extractor

    def __call__(
        self,
        images: Mapping[SensorName, FloatArray],
        *,
        row_phase_px: float,
        col_phases_px: Sequence[float],
    ) -> FloatArray:
        """Encode the tiles of one row; they begin at whole pixels."""
        assert row_phase_px == 0
        assert not any(col_phases_px)
        found: FloatArray = self.extractor(images, check_units=False).cpu().numpy()
        return found[:, None]


@dataclass(frozen=True, kw_only=True, eq=False)
class SceneEncoder:
    """Encoder of tiles to patch tokens; for several sensors, to the mean of their tokens.

    Tiles are normalised and resized as the images of the training were. Where the edge of a tile
    lies inside a pixel, the tile takes the pixels whose centres it covers.
    """

    model: ImageEncoder

    def __call__(
        self,
        images: Mapping[SensorName, FloatArray],
        *,
        row_phase_px: float,
        col_phases_px: Sequence[float],
    ) -> FloatArray:
        """Encode the tiles of one row; see `scene_features.EncodeTiles`."""
        with fast_inference(next(self.model.parameters()).device):
            sized = self.prepared(images, row_phase_px=row_phase_px, col_phases_px=col_phases_px)
            encoded = self.model.encode(s2=sized.get("s2"), s1=sized.get("s1"), patch_tokens=True)
            tokens = [encoded[f"{sensor}_tokens"].float() for sensor in images]
            mean_BND = tokens[0] if len(tokens) == 1 else torch.stack(tokens).mean(0)
        found: FloatArray = mean_BND.cpu().numpy()
        return found

    def prepared(
        self,
        images: Mapping[SensorName, FloatArray],
        *,
        row_phase_px: float,
        col_phases_px: Sequence[float],
    ) -> dict[SensorName, Tensor]:
        """Normalise the tiles of one row and resize them to the image size of the model."""
        preprocess = self.model.preprocess
        assert preprocess is not None  # because the model was loaded from a checkpoint
        return {
            sensor: self._resized(
                preprocess(sensor, torch.from_numpy(image_BCHW), check_unit=False),
                row_phase_px, col_phases_px,
            )
            for sensor, image_BCHW in images.items()
        }  # fmt: skip

    def _resized(
        self, image_BCHW: Tensor, row_phase_px: float, col_phases_px: Sequence[float]
    ) -> Tensor:
        size = self.model.config.image_size
        parts = [
            resampled(one_CHW[None], size, row_phase_px=row_phase_px, col_phase_px=col_phase_px)
            for one_CHW, col_phase_px in zip(image_BCHW, col_phases_px, strict=True)
        ]
        return torch.cat(parts)


def resampled(
    image_BCHW: Tensor, image_size: int, *, row_phase_px: float, col_phase_px: float
) -> Tensor:
    """Resize images whose edges lie inside pixels, otherwise as `normalise.resized` does.

    Args:
        image_BCHW: Square images.
        image_size: Side of the result (pixels).
        row_phase_px: Distance from the upper edge of the first pixels down to that of the images.
        col_phase_px: Distance from the left edge of the first pixels right to that of the images.
    """
    if row_phase_px == col_phase_px == 0:
        return resized(image_BCHW, image_size)
    side = image_BCHW.shape[-1]
    down_SH = _weights(side, image_size, row_phase_px).to(image_BCHW.device)
    across_SW = _weights(side, image_size, col_phase_px).to(image_BCHW.device)
    with torch.autocast(image_BCHW.device.type, enabled=False):  # bfloat16 has 8 bits
        return down_SH @ image_BCHW @ across_SW.T


@lru_cache(maxsize=256)
def _weights(side_px: int, image_size: int, phase_px: float) -> Tensor:
    """Return the weight of each input pixel in each output pixel, for bilinear resizing.

    The weights form a triangle around the output pixel. It is as wide as the larger of the input
    and the output pixels, so that input pixels are averaged where the image shrinks. Where a part
    of the triangle lies outside the image, the other weights grow, so that the sum stays 1.

    Returns:
        [image_size, side_px]; each row sums to 1.
    """
    scale = side_px / image_size
    given = torch.arange(side_px, dtype=torch.float64) + 0.5 - phase_px
    wanted = (torch.arange(image_size, dtype=torch.float64) + 0.5) * scale
    apart = (given - wanted[:, None]).abs() / max(scale, 1.0)
    weight = (1 - apart).clamp(min=0)
    return (weight / weight.sum(1, keepdim=True)).float()
