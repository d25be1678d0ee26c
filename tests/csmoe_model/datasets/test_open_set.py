"""Labelled sets by name: options of each set, and imports when one is opened."""

import subprocess
import sys

import pytest
from labelled_sets import bright_and_dark
from training_shards import learnable_shards

from csmoe_model.datasets.open_set import open_set, parse_bands
from minortom.errors import InputError


def test_a_set_of_ones_own_is_returned_unchanged():
    own = bright_and_dark({"train": 4, "val": 4, "test": 4})
    assert open_set(own, None) is own


def test_an_option_for_another_kind_of_set_is_a_one_line_error():
    own = bright_and_dark({"train": 4, "val": 4, "test": 4})
    with pytest.raises(
        InputError, match=r"--label applies to --data shards only, found a LabelledSet"
    ):
        open_set(own, None, label="climate")
    with pytest.raises(InputError, match=r"--s2-bands applies to --data folder only, found shards"):
        open_set("shards", "shards", s2_bands=["B02"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"data": "shreds"}, "data must be one of shards, folder, eurosat, .*'shreds'"),
        ({"data": "shards", "label": 3}, "label must be the name of a column, found 3"),
        ({"data": "shards", "split_by": "cells"}, "split_by must be one of .*'cells'"),
        ({"data": "shards", "root": None}, "root must be the folder of the set shards, found None"),
    ],
)
def test_an_invalid_argument_is_a_one_line_error(tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        open_set(**{"root": tmp_path, **arguments})


def test_band_names_are_a_string_or_a_sequence():
    assert parse_bands(" B02, B03,") == parse_bands(["B02", "B03"]) == ("B02", "B03")
    assert parse_bands(None) is None
    for wrong in (5, ["B02", 3]):
        with pytest.raises(InputError, match="bands must be names, such as B02,B03"):
            parse_bands(wrong)


def test_opening_shards_loads_no_rasterio(tmp_path):
    folder = learnable_shards(tmp_path / "shards", train=8, val=8, test=8, apart_deg=5)
    code = (
        "import sys\n"
        "from csmoe_model.datasets.open_set import open_set\n"
        "data = open_set('shards', sys.argv[1])\n"
        "data.split('test').images(data.split('test').labels[:1] * 0)\n"
        "sys.exit(', '.join({'rasterio', 'torch'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
