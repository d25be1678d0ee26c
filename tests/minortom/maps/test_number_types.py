"""Maps with pixels of other number types, and in other coordinates of longitude and latitude."""

import numpy as np
import pytest
from map_maker import cells_within, codes_at, described, made_classes, write_map
from rasterio.transform import Affine

from minortom.errors import InputError

LAYOUT = {"west": 10, "north": 51, "step": 0.01}
CELLS = cells_within(10.05, 50.05, 10.95, 50.95)


@pytest.fixture
def usual(tmp_path):
    return write_map(tmp_path / "usual.tif", made_classes(100, seed=3, sea=0), **LAYOUT)


def counts_of(path, cells=CELLS):
    return described(path, legend="worldcover").counts_in(cells, resolution_m=1.0)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "int64", "uint32"])
def test_whole_numbers_of_any_type_are_classes(tmp_path, usual, dtype):
    values = made_classes(100, seed=3, sea=0).astype(dtype)
    path = write_map(tmp_path / "a.tif", values, **LAYOUT)
    np.testing.assert_array_equal(counts_of(path).counts, counts_of(usual).counts)
    points = CELLS.centres()
    assert codes_at(path, *points, legend="worldcover") == codes_at(
        usual, *points, legend="worldcover"
    )


@pytest.mark.parametrize("dtype", ["int16", "uint16", "int32"])
def test_no_data_of_another_type_has_no_class(tmp_path, dtype):
    values = made_classes(100, seed=3)
    usual = write_map(tmp_path / "a.tif", values, west=10, north=51, step=0.02, nodata=0)
    wide = values.astype(dtype)
    wide[values == 0] = np.iinfo(dtype).max
    path = write_map(
        tmp_path / "b.tif", wide, west=10, north=51, step=0.02, nodata=np.iinfo(dtype).max
    )
    cells = cells_within(10, 49, 12, 51)
    np.testing.assert_array_equal(counts_of(path, cells).counts, counts_of(usual, cells).counts)


@pytest.mark.parametrize(
    ("value", "shown"), [(10.5, "10.5"), (np.inf, "inf"), (1e20, "1e\\+20"), (-0.25, "-0.25")]
)
def test_a_number_that_is_not_whole_is_one_line(tmp_path, value, shown):
    values = made_classes(100, seed=3, sea=0).astype(np.float32)
    values[50, 50] = value
    path = write_map(tmp_path / "a.tif", values, **LAYOUT)
    message = f"expected whole numbers, .* in the map {path}, found {shown}; give a map of classes"
    with pytest.raises(InputError, match=message):
        codes_at(path, [10.5], [50.5], legend="worldcover")
    with pytest.raises(InputError, match=message):
        counts_of(path)


@pytest.mark.parametrize("value", [-1.0, 77.0, 300.0, 1e9])
def test_a_whole_number_that_is_no_class_is_named(tmp_path, value):
    values = np.full((100, 100), 10, np.float32)
    values[50, 50] = value
    path = write_map(tmp_path / "a.tif", values, **LAYOUT)
    with pytest.raises(InputError, match=f"of the legend worldcover .* found {value:.0f};"):
        codes_at(path, [10.5], [50.5], legend="worldcover")
    with pytest.raises(InputError, match=f"of the legend worldcover .* found {value:.0f};"):
        counts_of(path)


@pytest.mark.parametrize(
    "crs", ["EPSG:4258", "EPSG:4979", "OGC:CRS84", "EPSG:4269", "EPSG:4937", "EPSG:4490"]
)
def test_a_datum_that_equals_wgs_84_counts_as_wgs_84(tmp_path, usual, crs):
    path = write_map(tmp_path / "a.tif", made_classes(100, seed=3, sea=0), crs=crs, **LAYOUT)
    np.testing.assert_array_equal(counts_of(path).counts, counts_of(usual).counts)
    points = CELLS.centres()
    assert codes_at(path, *points, legend="worldcover") == codes_at(
        usual, *points, legend="worldcover"
    )


def test_a_point_on_a_map_in_grads_has_the_class_of_its_pixel(tmp_path):
    """The map is of the whole globe, from Paris, so that longitudes are wrapped in grads."""
    values = np.arange(40, dtype=np.uint8)[None] % 30 + 1
    path = write_map(
        tmp_path / "a.tif", values.repeat(20, 0), crs="EPSG:4807",
        transform=Affine(10, 0, -200, 0, -10, 100),
    )  # fmt: skip
    lon_deg = np.array([2.4, 11.4, 170.0, -179.0, -178.0])
    grads = ((lon_deg - 2.33722917 + 180) % 360 - 180) / 0.9
    expected = (np.floor((grads + 200) / 10).astype(int) % 30 + 1).tolist()
    assert codes_at(path, lon_deg, np.full(5, 46.0)) == expected
