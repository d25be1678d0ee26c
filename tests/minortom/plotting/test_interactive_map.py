"""Data of the interactive map, as the page's JavaScript decodes it."""

import base64
import gzip
import json

import numpy as np
import pytest

from minortom.plotting.interactive_map import Classes, MapPoints, map_item


def column_of(value, name):
    """Return a column of numbers in the JSON of a map: of Bokeh's pairs of name and array."""
    if isinstance(value, list) and len(value) == 2 and value[0] == name:
        packed = base64.b64decode(value[1]["array"]["data"])
        return np.frombuffer(gzip.decompress(packed), value[1]["dtype"])
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((found for part in parts if (found := column_of(part, name)) is not None), None)


@pytest.mark.parametrize("num_strata", [2, 65_536, 65_537, 70_000])
def test_every_tile_has_the_name_of_its_stratum(num_strata):
    codes = np.array([0, 1, num_strata - 1])
    names = tuple(f"class {number}" for number in range(num_strata))
    points = MapPoints(
        cells=("0U_0R", "0U_1R", "0U_2R"), lon_deg=np.zeros(3), lat_deg=np.zeros(3),
        nearest_km=np.full(3, 10.0), strata=Classes(names=names, codes=codes),
        filters={"climate": Classes(names=("A",), codes=np.zeros(3, np.int64))}, at_first={},
    )  # fmt: skip

    found = json.loads(json.dumps(map_item(points, [], (-10.0, -10.0, 10.0, 10.0))))

    decoded = column_of(found["item"], "stratum code")
    assert [found["names"]["stratum"][code] for code in decoded] == [names[code] for code in codes]
