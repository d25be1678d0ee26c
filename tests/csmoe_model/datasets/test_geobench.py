"""Labels in pickles are read without unpickling."""

import pickle
from pathlib import Path

import pytest

from csmoe_model.datasets.geobench import pickled_label
from minortom.errors import InputError


class Trap:
    def __reduce__(self):
        return (exec, ("raise SystemExit('unpickled')",))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("label", [0, 16, 300, 70_000])
def test_the_label_is_that_of_unpickling_and_no_code_runs(protocol, label):
    pickled = pickle.dumps({"a": Trap(), "label": label, "names": ["x"]}, protocol=protocol)
    assert pickled_label(str(pickled), Path("s.hdf5")) == label


@pytest.mark.parametrize(
    "text", ["", "b'oh'", "7", "__import__('os')", str(pickle.dumps({"label": [1]}))]
)
def test_text_without_a_label_is_an_error_that_names_the_file(text):
    with pytest.raises(InputError, match=r"s\.hdf5 must contain one label"):
        pickled_label(text, Path("s.hdf5"))
