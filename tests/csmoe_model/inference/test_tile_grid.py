"""Grid of tiles: their number, the positions of their tokens, and the weights."""

import json
from dataclasses import asdict
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csmoe_model.inference.embed_scene import SceneOptions
from csmoe_model.inference.tile_grid import TileGrid, blend_weights, measured_tokens
from minortom.errors import InputError


def grid(*, height_px=100, width_px=130, tile_px=40, tile_tokens=4, overlap=0.5):
    return TileGrid(
        height_px=height_px, width_px=width_px, tile_px=tile_px, tile_tokens=tile_tokens,
        overlap=overlap,
    )  # fmt: skip


def test_options_of_numpy_are_stored_as_numbers_of_python():
    options = SceneOptions(tile_px=np.int64(16), overlap=np.float32(0.5))
    assert json.dumps(asdict(options)) == '{"overlap": 0.5, "tile_px": 16}'


def test_tiles_step_by_tokens_and_the_last_one_ends_with_the_scene():
    tiles = grid(height_px=100, width_px=139)
    assert (tiles.rows, tiles.cols) == (10, 13)
    assert tiles.tops == (0, 2, 4, 6)
    assert tiles.lefts == (0, 2, 4, 6, 8, 9)
    assert grid(overlap=0).lefts == (0, 4, 8, 9)
    assert grid(overlap=0.6).lefts == tuple(range(10))
    assert grid(height_px=40, width_px=49).lefts == (0,)


def test_a_token_may_be_a_fraction_of_pixels():
    tiles = grid(height_px=1068, width_px=1068, tile_px=120, tile_tokens=14)
    assert tiles.token_px == Fraction(60, 7)
    assert tiles.rows == 124  # 1068 · 7 / 60 = 124.6
    # The last tile begins at token 110, at 942 6/7 px: pixel 943 is the first with its centre in.
    assert tiles.tops[-1] == 110
    assert tiles.first_px(110) == 943
    assert tiles.phase_px(110) == pytest.approx(-1 / 7)
    assert tiles.phase_px(7) == 0


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 9), st.integers(0, 30), st.integers(0, 100), st.floats(0, 0.95))
def test_tiles_cover_each_token_and_stay_inside(tokens, larger, beyond, overlap):
    side = tokens + larger
    tiles = grid(
        height_px=side + beyond, width_px=side, tile_px=side, tile_tokens=tokens, overlap=overlap
    )
    covered = np.zeros(tiles.rows)
    for top, weight in zip(tiles.tops, blend_weights(tiles.tops, tokens), strict=True):
        first = tiles.first_px(top)
        assert first >= 0
        assert first + side <= tiles.height_px
        # A tile's pixels are those whose centres it holds.
        assert top * tiles.token_px <= first + Fraction(1, 2)
        assert tiles.first_px(top + tokens) == first + side
        covered[top : top + tokens] += weight
    np.testing.assert_allclose(covered, 1, rtol=1e-6)
    steps = np.diff(tiles.tops)
    assert (steps <= max(1, tokens * (1 - overlap) + 1e-6)).all()


def test_weights_fall_towards_the_edge_of_a_tile():
    np.testing.assert_allclose(blend_weights((0,), 4), [[1, 1, 1, 1]])
    # Triangles 0.5, 1.5, 1.5, 0.5 at 0 and at 2: where they meet 1.5 : 0.5 and 0.5 : 1.5.
    np.testing.assert_allclose(blend_weights((0, 2), 4), [[1, 1, 0.75, 0.25], [0.25, 0.75, 1, 1]])


def test_a_token_is_valid_from_half_of_its_pixels():
    tiles = grid(height_px=8, width_px=10, tile_px=8, tile_tokens=2)
    measured = np.zeros((8, 10), bool)
    measured[:2, :4] = True  # 8 of 16
    measured[:2, 4:7] = True  # 6 of 16
    measured[7, 4:8] = measured[4:6, 4:8] = True  # 12 of 16
    found = measured_tokens(measured, tiles, 0)
    np.testing.assert_array_equal(found, [[True, False], [False, True]])


def test_pixels_count_for_the_token_that_contains_their_centres():
    # Tokens of 5/3 px: pixels 0 1 | 2 | 3 4 by their centres.
    tiles = grid(height_px=5, width_px=5, tile_px=5, tile_tokens=3)
    measured = np.zeros((5, 5), bool)
    measured[:, 2] = True
    np.testing.assert_array_equal(measured_tokens(measured, tiles, 0)[0], [False, True, False])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"height_px": 39}, "at least one tile, 40 × 40 px, found 39 × 130 px"),
        ({"overlap": 1.0}, "overlap must be from 0 to below 1, found 1"),
        ({"overlap": -0.1}, "overlap must be"),
        ({"overlap": float("nan")}, "overlap must be"),
        ({"tile_px": 3}, "--tile-px must be at least 4, one pixel for each token .*, found 3"),
    ],
)
def test_a_wrong_size_or_overlap_is_one_line(changes, message):
    with pytest.raises(InputError, match=message):
        grid(**changes)
