"""Fixtures of the tests of export; a test file names this in ``pytest_plugins``."""

import pytest
from archive_maker import CELLS, write_pair_of_archives, write_selection
from export_maker import apart

from minortom.extraction.export import write_export
from minortom.extraction.inputs import ExportInputs


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """Seven cells with 16 patches of 12 px each."""
    return write_pair_of_archives(tmp_path_factory.mktemp("archives"))


@pytest.fixture
def export(archives, tmp_path):
    """Return a function that exports cells to ``tmp_path/name`` and returns the result."""

    def call(name="shards", cells=CELLS, *, folders=archives, columns=None, **options):
        selection = tmp_path / f"{name}.selection.parquet"
        if not selection.exists():
            write_selection(selection, cells, **columns or {})
        inputs = ExportInputs.open(selection, *folders)
        return write_export(inputs, tmp_path / name, **apart(options))

    return call


@pytest.fixture
def own_archives(tmp_path):
    """Archives that a test may damage."""
    return write_pair_of_archives(tmp_path)
