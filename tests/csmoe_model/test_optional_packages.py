"""A missing optional package is an error of one line that says what to install."""

import sys

import pytest

from csmoe_model.datasets.eurosat import open_eurosat
from csmoe_model.datasets.geobench import open_geobench
from csmoe_model.optional_packages import load_package
from minortom.errors import InputError


def test_a_labelled_set_without_its_package_says_what_to_install(tmp_path, monkeypatch):
    for name in ("torchgeo", "terratorch"):
        monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    expected = r"is not installed; run `pip install 'minortom\[terratorch\]'`"
    with pytest.raises(InputError, match=f"torchgeo {expected}"):
        open_eurosat(tmp_path)
    with pytest.raises(InputError, match=f"terratorch {expected}"):
        open_geobench(tmp_path, "m-eurosat")


@pytest.mark.parametrize(
    "text", ["import nothing_of_that_name", "raise RuntimeError('nothing_of_that_name')"]
)
def test_a_package_that_does_not_load_says_why(tmp_path, monkeypatch, text):
    monkeypatch.delitem(sys.modules, "broken_one", raising=False)
    (tmp_path / "broken_one.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"broken_one is installed .*nothing_of_that_name.*torch"):
        load_package("broken_one", extra="terratorch")
