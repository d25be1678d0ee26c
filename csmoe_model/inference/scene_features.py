"""Feature map of a scene: encode tiles in batches, and blend the tokens where tiles overlap.

Axes, as name suffixes:
    B  tiles of a batch    C  bands    H W  pixel rows and columns
    R  token rows          K  token columns    T  tokens along a side of a tile    D  width
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from csmoe_model.inference.scene_rows import Scene, Strip, strips
from csmoe_model.inference.tile_grid import FloatArray, TileGrid, blend_weights, measured_tokens
from minortom.errors import InputError
from minortom.progress import OnProgress, ignore_progress
from minortom.sensors import SensorName

BATCH_SIZE = 64


class EncodeTiles(Protocol):
    """Encoder of tiles to tokens."""

    def __call__(
        self,
        images: Mapping[SensorName, FloatArray],
        *,
        row_phase_px: float,
        col_phases_px: Sequence[float],
    ) -> FloatArray:
        """Encode tiles of one row.

        Args:
            images: [B, C, tile_px, tile_px] by sensor, with values in all pixels.
            row_phase_px: Distance from the upper edge of the first pixels down to that of the
                tiles.
            col_phases_px: Distance from the left edge of the first pixel right to that of the
                tile, for each tile [B].

        Returns:
            Tokens [B, T * T, D], row by row.
        """
        ...


def feature_rows(
    scene: Scene,
    grid: TileGrid,
    encode: EncodeTiles,
    *,
    channels: Mapping[SensorName, Sequence[int]],
    width: int,
    on_progress: OnProgress = ignore_progress,
) -> Iterator[FloatArray]:
    """Encode a scene; memory holds one row of tiles and their tokens.

    Where tiles overlap, the map has the weighted mean of their tokens: the weight falls towards
    the edge of a tile, see `tile_grid.blend_weights`. A token is NaN if less than half of its
    pixels were measured. Other pixels that were not measured get the mean of their band in the
    tile. Tiles without a valid token are not encoded.

    Args:
        scene: The scene.
        grid: Tiles of the scene.
        encode: Encoder of the tiles.
        channels: Numbers of the scene's bands that `encode` takes, by sensor.
        width: Width of a token.
        on_progress: Called with (tiles done, tiles in all).

    Yields:
        [R, K, D], the next rows of the map from the top, with all columns.

    Raises:
        InputError: If no token is valid, or the scene cannot be read.
    """
    tops, lefts = grid.tops, grid.lefts
    down_T, across_T = (blend_weights(starts, grid.tile_tokens) for starts in (tops, lefts))
    sums_TKD, found = np.zeros((grid.tile_tokens, grid.cols, width), np.float32), False
    for number, (top, strip) in enumerate(strips(scene, channels, grid)):
        whole_TK = measured_tokens(strip.measured, grid, top)
        for chosen, tokens_BTTD in _encoded(strip, grid, encode, whole_TK, top):
            weights_BTT = down_T[number][:, None] * across_T[chosen][:, None, :]
            _add(sums_TKD, [lefts[n] for n in chosen], weights_BTT, tokens_BTTD)
            on_progress(number * len(lefts) + chosen[-1] + 1, len(tops) * len(lefts))
        # Rows above the next row of tiles are complete.
        done = tops[number + 1] - top if number + 1 < len(tops) else grid.tile_tokens
        rows_RKD = sums_TKD[:done].copy()
        rows_RKD[~whole_TK[:done]] = np.nan
        found |= bool(whole_TK.any())
        yield rows_RKD
        sums_TKD[:-done] = sums_TKD[done:]
        sums_TKD[-done:] = 0
    if not found:
        raise InputError(
            "expected a scene with measured pixels in all bands of the model, found none; give "
            "another scene"
        )
    on_progress(len(tops) * len(lefts), len(tops) * len(lefts))


def _add(
    sums_TKD: FloatArray, lefts: Sequence[int], weights_BTT: FloatArray, tokens_BTTD: FloatArray
) -> None:
    """Add the weighted tokens of some tiles of a row to the sums."""
    side = tokens_BTTD.shape[1]
    for left, weight_TT, tokens_TTD in zip(lefts, weights_BTT, tokens_BTTD, strict=True):
        sums_TKD[:, left : left + side] += weight_TT[:, :, None] * tokens_TTD


def _encoded(
    strip: Strip, grid: TileGrid, encode: EncodeTiles, whole_TK: NDArray[np.bool_], top: int
) -> Iterator[tuple[list[int], FloatArray]]:
    """Encode the tiles of a row that have a valid token.

    Yields:
        Numbers of the tiles of a batch, and their tokens [B, T, T, D].
    """
    side, lefts = grid.tile_tokens, grid.lefts
    useful = [n for n, left in enumerate(lefts) if whole_TK[:, left : left + side].any()]
    for start in range(0, len(useful), BATCH_SIZE):
        chosen = useful[start : start + BATCH_SIZE]
        tiles = [_tile(strip, grid.first_px(lefts[n]), grid.tile_px) for n in chosen]
        tokens = encode(
            {sensor: np.stack([tile[sensor] for tile in tiles]) for sensor in strip.values},
            row_phase_px=grid.phase_px(top),
            col_phases_px=[grid.phase_px(lefts[n]) for n in chosen],
        )
        yield chosen, tokens.reshape(len(chosen), side, side, -1)


def _tile(strip: Strip, col_px: int, tile_px: int) -> dict[SensorName, FloatArray]:
    """Return the pixels of a tile, [C, H, W] by sensor, with the mean where not measured."""
    columns = slice(col_px, col_px + tile_px)
    measured = strip.measured[:, columns]
    tile = {sensor: values[:, :, columns] for sensor, values in strip.values.items()}
    if measured.all():
        return tile
    filled = {}
    for sensor, values in tile.items():
        mean_C = values[:, measured].mean(axis=1, dtype=np.float64).astype(np.float32)
        filled[sensor] = np.where(measured, values, mean_C[:, None, None])
    return filled
