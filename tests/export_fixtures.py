"""Fixtures of the tests of export; a test file names this in ``pytest_plugins``."""

import dataclasses

import pytest
from archive_maker import CELLS, write_pair_of_archives, write_selection

from minortom.export import export_selection
from minortom.export_options import ExportOptions

PATCH_PX = 12
TWO_TILES = 30_000_000
"""Bytes of the patches of two tiles of 1000 px: two tiles a shard."""


def apart(words):
    """Part ``ExportOptions`` from what else a call takes."""
    fields = {field.name for field in dataclasses.fields(ExportOptions)}
    chosen = {"patch_px": PATCH_PX, "shard_bytes": TWO_TILES}
    chosen |= {name: value for name, value in words.items() if name in fields}
    others = {name: value for name, value in words.items() if name not in fields}
    return {"options": ExportOptions(**chosen), **others}


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """Seven cells with 16 patches of 12 px each."""
    return write_pair_of_archives(tmp_path_factory.mktemp("archives"))


@pytest.fixture
def export(archives, tmp_path):
    """Export cells to ``tmp_path/name``; returns the summary."""

    def call(name="shards", cells=CELLS, *, folders=archives, columns=None, **options):
        selection = tmp_path / f"{name}.selection.parquet"
        if not selection.exists():
            write_selection(selection, cells, **columns or {})
        return export_selection(
            selection, *folders, tmp_path / name, **apart({"workers": 1, **options})
        )

    return call


@pytest.fixture
def own_archives(tmp_path):
    """Archives that a test may damage."""
    return write_pair_of_archives(tmp_path)
