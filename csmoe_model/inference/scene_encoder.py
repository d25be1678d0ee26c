"""A model as what encodes the tiles of a scene.

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
from csmoe_model.inference.tile_grid import FloatArray
from csmoe_model.nn.image_encoder import ImageEncoder
from minortom.sensors import SensorName


@dataclass(frozen=True, kw_only=True, eq=False)
class SceneEncoder:
    """Encodes tiles: their patch tokens, of several sensors the mean.

    Tiles are normalised and resized as the model's images were in training. Where the edge of
    a tile lies between two pixels, its image is made of the pixels whose centres it holds.
    """

    model: ImageEncoder

    def __call__(
        self,
        images: Mapping[SensorName, FloatArray],
        *,
        row_phase_px: float,
        col_phases_px: Sequence[float],
    ) -> FloatArray:
        """See `scene_features.EncodeTiles`."""
        given = {sensor: torch.from_numpy(image_BCHW) for sensor, image_BCHW in images.items()}
        device = next(self.model.parameters()).device
        with fast_inference(device):
            normal = self.model.prepare(s2=given.get("s2"), s1=given.get("s1"))
            sized = {
                sensor: self._resized(image_BCHW, row_phase_px, col_phases_px)
                for sensor, image_BCHW in normal.items()
            }
            encoded = self.model.encode(s2=sized.get("s2"), s1=sized.get("s1"), patch_tokens=True)
            tokens = [encoded[f"{sensor}_tokens"].float() for sensor in images]
            mean_BND = tokens[0] if len(tokens) == 1 else torch.stack(tokens).mean(0)
        found: FloatArray = mean_BND.cpu().numpy()
        return found

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
    """Resize as `images.resized` does, images whose edges do not lie on those of their pixels.

    Args:
        image_BCHW: Square images.
        image_size: Pixels of a side of the result.
        row_phase_px: How far below the upper edge of the first pixels the images begin.
        col_phase_px: How far right of the left edge of the first pixels.
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
    """Weigh the pixels of a line for each of another: the triangle of bilinear resizing.

    It is as wide as the larger of the two kinds of pixels, so that pixels which get larger are
    averaged; at the ends, where it lies over nothing in part, the rest counts for more.

    Returns:
        [image_size, side_px], of which each row sums to 1.
    """
    scale = side_px / image_size
    given = torch.arange(side_px, dtype=torch.float64) + 0.5 - phase_px
    wanted = (torch.arange(image_size, dtype=torch.float64) + 0.5) * scale
    apart = (given - wanted[:, None]).abs() / max(scale, 1.0)
    weight = (1 - apart).clamp(min=0)
    return (weight / weight.sum(1, keepdim=True)).float()
