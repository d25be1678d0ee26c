"""``minortom.fetch``: data sets by name or manifest, from Python."""

import json

import pytest
from map_server import TILES, map_bytes, serve_tile, serve_zip, write_manifest

import minortom
from minortom.errors import InputError


@pytest.fixture
def zones(tmp_path, web_server):
    for corner in ("N00E006", "N00E009", "N03E006"):
        serve_tile(web_server, corner)
    return write_manifest(tmp_path / "zones.yaml", f"{web_server.url}/{TILES}", lattice_deg=3)


@pytest.mark.parametrize("bbox", ["6,0,9,3", (6, 0, 9, 3)])
def test_a_box_is_text_or_four_numbers(zones, tmp_path, bbox):
    (found,) = minortom.fetch(zones, bbox=bbox).maps

    assert (found.name, found.status, found.files) == ("zones", "fetched", 1)
    assert found.folder == tmp_path / "cache" / "maps" / "zones"
    assert found.credit == "Zones (CC0-1.0): made here"


def test_a_region_is_the_path_of_a_file(zones, tmp_path):
    ring = [[7, 1], [10, 1], [7, 2], [7, 1]]
    path = tmp_path / "aoi.geojson"
    path.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))

    assert minortom.fetch([str(zones)], region=str(path)).maps[0].files == 2


def test_several_data_sets_are_one_result_and_progress_names_each(zones, tmp_path, web_server):
    checksum = serve_zip(web_server, {"a.tif": map_bytes(tmp_path)})
    one = write_manifest(
        tmp_path / "one.yaml", f"{web_server.url}/maps.zip", name="one", checksum=checksum,
        member="a.tif",
    )  # fmt: skip
    calls = []

    result = minortom.fetch(
        [one, zones], bbox="6,0,9,3", on_progress=lambda *call: calls.append(call)
    )

    assert [row["name"] for row in result.as_dict()] == ["one", "zones"]
    names = ("one", "zones")
    assert tuple(word for word in str(result).split() if word in names) == names
    assert calls[-1] == (1, 1, "zones")
    assert {name for _, _, name in calls} == {"one", "zones"}


@pytest.mark.parametrize("names", [[], 3, [3], None])
def test_what_is_not_a_name_is_an_error_that_says_what_was_expected(names):
    with pytest.raises(InputError, match=r"names must be a data set's name.*, found "):
        minortom.fetch(names)


def test_workers_must_be_a_whole_number(zones):
    with pytest.raises(InputError, match="workers must be a whole number of at least 1, found 0"):
        minortom.fetch(zones, workers=0)
