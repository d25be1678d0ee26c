import os
import subprocess
import sys

import numpy as np
import pytest
from map_maker import write_map


@pytest.mark.parametrize("variable", ["PROJ_DATA", "PROJ_LIB"])
def test_a_wrong_folder_of_proj_is_one_line_that_names_the_variable(tmp_path, variable):
    write_map(tmp_path / "map.tif", np.ones((2, 4), np.uint8))
    env = {key: value for key, value in os.environ.items() if not key.startswith("PROJ_")}
    words = ["annotate", "cells.txt", "--climate", "map.tif", "--landcover", "map.tif",
             "--landcover-legend", "koppen", "--out", "a.parquet"]  # fmt: skip
    (tmp_path / "cells.txt").write_text("5U_1R\n")
    run = "import sys; from minortom_cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", run, *words], cwd=tmp_path, capture_output=True, text=True,
        env=env | {variable: str(tmp_path)}, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == (
        f"error: {variable} must name a folder with the proj.db of rasterio's version of PROJ, "
        f"found {tmp_path}; unset {variable}\n"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cells.txt", "map.tif"]
