"""Grid of overlapping tiles over a scene, whose tokens lie on one common grid.

A tile covers as many pixels of the scene as one image of the model. A token covers `token_px`
of them along a side, which need not be a whole number: 120 px in 14 tokens are 60 / 7 px each.
Tiles begin where tokens begin, so that the tokens of overlapping tiles cover the same ground.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from minortom.errors import InputError

FloatArray = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class TileGrid:
    """Tiles of a scene. Pixels right of or below the last whole token are in no tile.

    Raises:
        InputError: If the scene is smaller than a tile, a token is smaller than a pixel, or the
            overlap is out of range.
    """

    height_px: int
    """Height of the scene."""
    width_px: int
    """Width of the scene."""
    tile_px: int
    """Side of a tile, in pixels of the scene."""
    tile_tokens: int
    """Tokens along a side of a tile."""
    overlap: float
    """Part of a tile's side that the next tile covers again, at least; from 0 to below 1."""

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < 1:
            raise InputError(f"--overlap must be from 0 to below 1, found {self.overlap:g}")
        if self.tile_px < self.tile_tokens:
            raise InputError(
                f"--tile-px must be at least {self.tile_tokens}, one pixel for each token along a "
                f"side of a tile, found {self.tile_px}; give a larger --tile-px"
            )
        if min(self.height_px, self.width_px) < self.tile_px:
            raise InputError(
                f"expected a scene of at least one tile, {self.tile_px} × {self.tile_px} px, found "
                f"{self.height_px} × {self.width_px} px; give a larger scene, or a smaller "
                "--tile-px"
            )

    @property
    def token_px(self) -> Fraction:
        """Side of a token, in pixels of the scene."""
        return Fraction(self.tile_px, self.tile_tokens)

    @property
    def rows(self) -> int:
        """Number of whole tokens from the top to the bottom of the scene."""
        return math.floor(self.height_px / self.token_px)

    @property
    def cols(self) -> int:
        """Number of whole tokens from the left to the right of the scene."""
        return math.floor(self.width_px / self.token_px)

    @property
    def tops(self) -> tuple[int, ...]:
        """Token rows at which tiles begin, from the top."""
        return self._starts(self.rows)

    @property
    def lefts(self) -> tuple[int, ...]:
        """Token columns at which tiles begin, from the left."""
        return self._starts(self.cols)

    def _starts(self, count: int) -> tuple[int, ...]:
        """Return the first tokens of the tiles along an axis; the last tile ends with the scene."""
        # 10 * (1 - 0.9) is 0.9999999999999998.
        stride = max(1, math.floor(self.tile_tokens * (1 - self.overlap) + 1e-9))
        last = count - self.tile_tokens
        return (*range(0, last, stride), last)

    def first_px(self, token: int) -> int:
        """Return the first pixel whose centre lies in a token; a tile has `tile_px` from there."""
        return math.ceil(token * self.token_px - Fraction(1, 2))

    def phase_px(self, token: int) -> float:
        """Return the distance from the edge of the first pixel to the token: above -1/2, to 1/2."""
        return float(token * self.token_px - self.first_px(token))


def blend_weights(starts: Sequence[int], tile_tokens: int) -> FloatArray:
    """Return the weights of the tokens of each tile along an axis, [tile, tile_tokens].

    The weights fall linearly from the middle of a tile to its edge. At each token the weights of
    all tiles sum to 1. In two dimensions the weights of the two axes are multiplied.

    Args:
        starts: First token of each tile, ascending, without gaps between the tiles.
        tile_tokens: Tokens along a side of a tile.
    """
    assert all(0 < b - a <= tile_tokens for a, b in pairwise(starts))
    place = np.arange(tile_tokens) + 0.5
    falling = np.minimum(place, tile_tokens - place)
    covered = np.asarray(starts)[:, None] + np.arange(tile_tokens)
    total = np.bincount(covered.ravel(), weights=np.tile(falling, len(starts)))
    weights: FloatArray = (falling / total[covered]).astype(np.float32)
    return weights


def measured_tokens(measured: NDArray[np.bool_], grid: TileGrid, top: int) -> NDArray[np.bool_]:
    """Return the tokens of a row of tiles of which at least half of the pixels were measured.

    Args:
        measured: [tile_px, width_px], True where a pixel was measured, from the first pixel row
            of token row `top`.
        grid: Tiles of the scene.
        top: Token row at which the tiles begin.

    Returns:
        [tile_tokens, cols], True where a token is valid.
    """
    edge_row = [grid.first_px(top + n) - grid.first_px(top) for n in range(grid.tile_tokens)]
    edge_col = [grid.first_px(n) for n in range(grid.cols + 1)]
    counted = measured[:, : edge_col[-1]].astype(np.int64)
    down = np.add.reduceat(counted, edge_row, axis=0)
    found = np.add.reduceat(down, edge_col[:-1], axis=1)
    size = np.outer(np.diff([*edge_row, grid.tile_px]), np.diff(edge_col))
    whole: NDArray[np.bool_] = 2 * found >= size
    return whole
