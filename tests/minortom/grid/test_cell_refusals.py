"""Names, points and numbers that are no cell of the grid."""

import numpy as np
import pytest

from minortom.errors import InputError
from minortom.grid.cells import Cells, cells_at, cells_from_names


@pytest.mark.parametrize(
    "name",
    ["0D_5R", "5U_0L", "0D_0L", "1002U_0R", "1003D_0R", "0U_2004R", "0U_2005L", "946U_177R",
     "", "_", "5U", "5U_", "_5R", "5U_5R_", "5U_5R_5R", "5u_5r", "05U_5R", "5U_05R", " 5U_5R",
     "5U_5R ", "5R_5U", "-5U_5R", "5U5R", "５U_5R", "grid_cell", "5U_5R" * 1000],
)  # fmt: skip
def test_another_text_than_a_name_is_refused(name):
    with pytest.raises(InputError, match="found 1 of 2 names that are not"):
        cells_from_names(["5U_5R", name])


def test_the_first_bad_names_are_shown():
    with pytest.raises(InputError, match=r"expected names .* 4 of 5 .* first 'a', 'b', 'c'$"):
        cells_from_names(["a", "0U_0R", "b", "c", "d"])


@pytest.mark.parametrize("name", ["500U_1421R", "801U_621R", "0U_2004R"])
def test_other_rows_have_no_alias(name):
    with pytest.raises(InputError):
        cells_from_names([name])


@pytest.mark.parametrize(
    ("lon_deg", "lat_deg", "message"),
    [(181, 0, "longitude 181"), (-180.001, 0, "longitude -180.001"), (0, 90.001, "latitude 90"),
     (0, -91, "latitude -91"), (np.nan, 0, "longitude nan"), (0, np.inf, "latitude inf")],
)  # fmt: skip
def test_a_point_that_is_nowhere_is_an_error(lon_deg, lat_deg, message):
    with pytest.raises(InputError, match=message):
        cells_at([0, lon_deg], [0, lat_deg])


@pytest.mark.parametrize(("row", "col"), [(1002, 0), (-1003, 0), (0, 2004), (0, -2005)])
def test_cells_that_do_not_exist_cannot_be_made(row, col):
    with pytest.raises(InputError, match="no cell at row"):
        Cells(row=np.array([row]), col=np.array([col]))
