"""Attributes of patches from the columns of a table."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from csmoe_model.text.attributes import UNKNOWN, attributes_of
from csmoe_model.text.phrases import Phrases


def said(columns, *, train=None):
    """Return by attribute the value of each patch, None where it has none."""
    table = pa.table(columns)
    is_train = np.ones(len(table), bool) if train is None else np.array(train)
    return {
        one.name: [None if code == UNKNOWN else one.values[code] for code in one.code_n]
        for one in attributes_of(table, is_train, Phrases.read())
    }


def phrases_of(columns, name):
    table = pa.table(columns)
    found = attributes_of(table, np.ones(len(table), bool), Phrases.read())
    return next(dict(zip(a.values, a.phrases, strict=True)) for a in found if a.name == name)


def test_classes_of_koppen_have_a_group_and_others_none():
    found = said({"climate": ["BWh", "Dfc", "unmapped", "Bog"], "landcover": ["x", None, "y", ""]})
    assert found["climate"] == ["BWh", "Dfc", None, "Bog"]
    assert found["climate_group"] == ["B", "D", None, None]
    assert found["landcover"] == ["x", None, "y", None]


@pytest.mark.parametrize(
    ("month", "lat", "wanted"),
    [
        (1, 50, "winter"), (12, 50, "winter"), (3, 50, "spring"), (8, 50, "summer"),
        (11, 50, "autumn"), (1, -50, "summer"), (4, -50, "autumn"), (7, -50, "winter"),
        (10, -50, "spring"), (1, 10, None), (1, -23, None), (None, 50, None),
    ],
)  # fmt: skip
def test_a_season_is_that_of_the_date_and_the_hemisphere(month, lat, wanted):
    when = [None if month is None else datetime(2020, month, 15, tzinfo=UTC)] * 2
    # The second patch has a season in any case, so that the attribute exists.
    when[1] = datetime(2020, 1, 15, tzinfo=UTC)
    columns = {"s2_timestamp": pa.array(when, pa.timestamp("us", tz="UTC")), "lat": [lat, 60.0]}
    assert said(columns)["season"] == [wanted, "winter"]


def test_hemispheres_meet_at_the_equator():
    found = said({"lat": [-0.1, 0.0, 12.0]})
    assert found == {"hemisphere": ["southern", "northern", "northern"]}


def test_shares_are_some_from_a_tenth_and_mostly_from_a_half():
    columns = {"fraction_cropland": [0.09, 0.1, 0.49, 0.5, None], "fraction_climate_Cfb": [1.0] * 5}
    found = said(columns)
    assert found["fraction_cropland"] == [None, "some", "some", "mostly", None]
    assert "mostly farmland" in phrases_of(columns, "fraction_cropland")["mostly"]
    assert phrases_of(columns, "fraction_climate_Cfb")["mostly"] == ("mostly oceanic",)


def test_numbers_are_binned_by_the_terciles_of_the_training_patches():
    values = [0.0, 1, 2, 3, 4, 5, 100, None]
    found = said({"elevation": values}, train=[True] * 6 + [False] * 2)
    # numpy's terciles of 0 to 5 are 5/3 and 10/3
    levels = ["low", "low", "medium", "medium", "high", "high", "high", None]
    assert found["elevation"] == levels
    assert "mountains" in phrases_of({"elevation": values}, "elevation")["high"]
    assert said({"count": [0, 5, 10**18]})["count"] == ["low", "medium", "high"]
    assert phrases_of({"soil_ph": values}, "soil_ph")["low"] == ("low soil ph",)


def test_further_classes_and_bins_are_said_with_the_name_of_their_column():
    columns = {"soil_type": ["heavy_clay", "sand"], "soil_type_code": [0, 1],
               "rain_bin": ["< 10 mm", "10–20 mm"], "constant": [3.0, 3.0]}  # fmt: skip
    assert set(said(columns)) == {"soil_type", "rain_bin"}
    assert phrases_of(columns, "soil_type")["heavy_clay"] == ("soil type heavy clay",)
    assert phrases_of(columns, "rain_bin")["10–20 mm"] == ("rain 10–20 mm",)


def test_columns_of_the_processing_are_left_out(caplog):
    columns = {
        "grid_cell": ["a", "b"], "split": ["train", "val"], "s2_cloud_cover": [1.0, 2.0],
        "s1_product_id": ["x", "y"], "dt_days": [0.1, 0.2], "stratum": ["p", "q"],
        "geometry": [b"1", b"2"], "list": [[1], [2]], "bytes": [b"1", b"2"],
        "when": [datetime(2020, 1, day, tzinfo=UTC) for day in (1, 2)],
        "s2_timestamp": ["2020-01-01", "2020-02-01"],
    }  # fmt: skip
    assert said(columns) == {}
    many = [f"id {number}" for number in range(101)]
    assert said({"identifier": many}) == {}
    assert "identifier has 101 values" in caplog.text
