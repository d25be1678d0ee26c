"""Two small maps and a list of cells, and the words of ``minortom annotate`` for them."""

import numpy as np
import pytest
from annotating import CELLS
from map_maker import write_map


@pytest.fixture
def arguments(tmp_path) -> list[str]:
    """Land cover in pixels of 0.01 degree over two degrees; climate everywhere."""
    rng = np.random.default_rng(5)
    values = rng.choice(np.uint8([0, 10, 10, 40, 80]), (200, 200))
    write_map(tmp_path / "landcover.tif", values, west=0, north=2, step=0.01)
    write_map(tmp_path / "climate.tif", np.full((9, 18), 1, np.uint8))
    (tmp_path / "cells.txt").write_text("\n".join(CELLS))
    return [
        "annotate", str(tmp_path / "cells.txt"), "--climate", str(tmp_path / "climate.tif"),
        "--landcover", str(tmp_path / "landcover.tif"), "--out", str(tmp_path / "a.parquet"),
        "--json", "--workers", "1",
    ]  # fmt: skip
