"""Legends by name are those of published tables: codes, names and colours."""

import csv
import re
from pathlib import Path

import pytest

from minortom.maps.manifests import find_legend

TABLES = sorted((Path(__file__).parent / "published_legends").glob("*.csv"))
CLASSES = {"cci-lc": 37, "corine": 44, "dynamic-world": 9, "esri-lulc": 8, "nlcd": 20}


def as_name(label):
    """Return a published label as minortom writes it, without what is in parentheses."""
    plain = re.sub(r"\([^)]*\)", "", label).lower().replace("brakish", "brackish")
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_each_class_has_the_published_code_name_and_colour(path):
    with path.open(newline="", encoding="utf-8") as stream:
        rows = [(int(row["code"]), row["label"], row["colour"]) for row in csv.DictReader(stream)]
    found = find_legend(path.stem)
    rows = [row for row in rows if row[0] not in found.legend.nodata]  # clouds of esri-lulc

    assert dict(found.legend.classes) == {code: as_name(label) for code, label, _ in rows}
    assert dict(found.legend.colours) == {code: colour for code, _, colour in rows}
    assert len(set(found.legend.classes.values())) == len(rows) == CLASSES[path.stem]
    assert found.legend.table.startswith("https://")
    assert found.manifest.by_hand


def test_every_legend_by_name_has_a_published_copy():
    assert {path.stem for path in TABLES} == set(CLASSES)


def test_clouds_of_the_yearly_land_cover_have_no_class():
    assert find_legend("esri-lulc").legend.nodata == (0, 10)
