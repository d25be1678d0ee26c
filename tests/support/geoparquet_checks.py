"""An independent validator of GeoParquet files, and the row groups that a reader of a box reads."""

import geoparquet_validator
import pyarrow.compute as pc
import pyarrow.dataset


def failures(path):
    """Return the tests of the validator that a file fails; a file without covering fails one."""
    report = geoparquet_validator.check(str(path))
    passed = {found["id"] for found in report["outcomes"] if found["status"] == "pass"}
    missing = {"/conf/covering/bbox-paths"} - passed
    return [*geoparquet_validator.failed(report), *missing]


def row_groups_of(path, *, west, south, east, north):
    """Return the row groups that a reader of a box cannot skip, and the number of all of them."""
    west_of, south_of, east_of, north_of = (
        pc.field("bbox", side) for side in ("xmin", "ymin", "xmax", "ymax")
    )
    overlaps = (
        (west_of <= east) & (east_of >= west) & (south_of <= north) & (north_of >= south)
    )  # fmt: skip
    (fragment,) = pyarrow.dataset.dataset(path).get_fragments()
    return len(fragment.subset(overlaps).row_groups), len(fragment.row_groups)
