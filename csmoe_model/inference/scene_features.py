"""A scene to a map of features: tiles encoded in batches, their tokens blended.

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
    """Turns tiles into tokens."""

    def __call__(
        self,
        images: Mapping[SensorName, FloatArray],
        *,
        row_phase_px: float,
        col_phases_px: Sequence[float],
    ) -> FloatArray:
        """Encode tiles of one row.

        Args:
            images: [B, C, tile_px, tile_px], all measured or filled, by sensor.
            row_phase_px: How far below the upper edge of their first pixels the tiles begin.
            col_phases_px: How far right of the left edge of its first pixel each begins, [B].

        Returns:
            [B, T * T, D], in raster order.
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
    """Encode a scene; memory holds one row of tiles and of their tokens.

    Where tiles overlap, their tokens are averaged, each weighed by how far it is from the edge
    of its tile; see `tile_grid.blend_weights`. A token is no number where less than half of its
    pixels were measured; other pixels that were not measured are given the mean of their band
    in the tile. Tiles without a token to give are not encoded.

    Args:
        scene: What to encode.
        grid: Its tiles.
        encode: The model.
        channels: Numbers of the scene's bands that `encode` takes, by sensor.
        width: Of a token.
        on_progress: Called with (tiles done, tiles in all).

    Yields:
        [R, K, D], the next rows of the map from the top, all its columns.

    Raises:
        InputError: If there is no token to give, or the scene cannot be read.
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
        # The next row of tiles begins below these.
        done = tops[number + 1] - top if number + 1 < len(tops) else grid.tile_tokens
        rows_RKD = sums_TKD[:done].copy()
        rows_RKD[~whole_TK[:done]] = np.nan
        found |= bool(whole_TK.any())
        yield rows_RKD
        sums_TKD[:-done] = sums_TKD[done:]
        sums_TKD[-done:] = 0
    if not found:
        raise InputError(
            "nothing of the scene was measured in all bands that the model sees; give another"
        )
    on_progress(len(tops) * len(lefts), len(tops) * len(lefts))


def _add(
    sums_TKD: FloatArray, lefts: Sequence[int], weights_BTT: FloatArray, tokens_BTTD: FloatArray
) -> None:
    """Add the weighted tokens of some tiles of a row to what will be their average."""
    side = tokens_BTTD.shape[1]
    for left, weight_TT, tokens_TTD in zip(lefts, weights_BTT, tokens_BTTD, strict=True):
        sums_TKD[:, left : left + side] += weight_TT[:, :, None] * tokens_TTD


def _encoded(
    strip: Strip, grid: TileGrid, encode: EncodeTiles, whole_TK: NDArray[np.bool_], top: int
) -> Iterator[tuple[list[int], FloatArray]]:
    """Encode those tiles of a row that have a token to give: their numbers, [B, T, T, D]."""
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
    """Cut a tile out, [C, H, W] by sensor, and fill what was not measured."""
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
