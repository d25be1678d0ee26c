"""A Dask cluster of separate processes writes the shards of a single process."""

import json
import shutil

import dask_processes as processes
import pytest
from archive_maker import CELLS, write_selection
from export_maker import TWO_TILES, files_of, replace_row
from minortom_cli.console import run
from minortom_cli.curate.app import app

from minortom.archive.archive import Archive
from minortom.engine.executors import EngineOptions
from minortom.errors import InputError
from minortom.extraction import job
from minortom.extraction.options import ExportOptions
from minortom.extraction.plan import PlannedTile
from minortom.extraction.shard_task import ShardTask, make_shard
from minortom.io.provenance import Provenance

pytest_plugins = ("export_fixtures",)

SEVEN_SHARDS = TWO_TILES // 2


def test_a_cluster_writes_what_one_process_writes_and_what_a_reserve_replaces(
    export, own_archives, tmp_path
):
    replace_row(own_archives[0], 0, B02=b"garbled")
    roles = {"role": ["selected"] * 6 + ["reserve"], "reserve_rank": [None] * 6 + [1]}
    splits = {"split": ["train"] * 5 + ["val", "train"]}
    words = {"folders": own_archives, "columns": roles | splits, "shard_bytes": SEVEN_SHARDS}
    export("alone", **words)
    with processes.scheduler() as (_, address), processes.workers(address):
        shutil.copy(tmp_path / "alone.selection.parquet", tmp_path / "both.selection.parquet")
        cluster = EngineOptions(engine="dask", scheduler=address, workers=2)
        summary = export("both", **words, engine=cluster)
    assert summary.tiles_replaced == {"unreadable": 1}
    assert files_of(tmp_path / "both") == files_of(tmp_path / "alone")
    assert not (tmp_path / "both.partial").exists()
    record = json.loads((tmp_path / "both.run.json").read_text())
    assert (record["engine"], record["scheduler"]) == ("dask", address)


@pytest.mark.soak  # tests/minortom/engine kills a worker, too
def test_a_worker_that_is_killed_midway_changes_nothing(export, tmp_path, monkeypatch):
    export("alone", shard_bytes=SEVEN_SHARDS)
    with processes.scheduler() as (_, address), processes.workers(address) as (worker, _other):
        real, killed = job.as_done, []

        def as_done(*args):
            """Kill one of the two workers when the first shard is done."""
            for found in real(*args):
                if not killed:
                    killed.append(worker.kill())
                yield found

        monkeypatch.setattr(job, "as_done", as_done)
        cluster = EngineOptions(engine="dask", scheduler=address, workers=2)
        export("both", shard_bytes=SEVEN_SHARDS, engine=cluster)
    assert killed
    assert files_of(tmp_path / "both") == files_of(tmp_path / "alone")


def test_the_command_takes_relative_paths_to_a_cluster_of_this_machine(
    archives, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for name, folder in zip(("s2", "s1"), archives, strict=True):
        (tmp_path / name).symlink_to(folder)
    write_selection(tmp_path / "selection.parquet", CELLS)
    words = ["export", "selection.parquet", "--s2", "s2", "--s1", "s1", "--patch-size", "12"]
    assert run(app, [*words, "--out", "one", "--workers", "1"]) == 0
    assert run(app, [*words, "--out", "two", "--workers", "1", "--engine", "dask"]) == 0
    assert files_of(tmp_path / "two") == files_of(tmp_path / "one")


def shard_of_nothing(work):
    made_by = Provenance(command="export", options={})
    return ShardTask(
        work=work, number=0, tiles=[], options=ExportOptions(patch_px=12), provenance=made_by
    )


def test_a_worker_that_does_not_see_the_folder_is_an_error(archives, tmp_path):
    s2, s1 = (
        Archive.open(folder, name) for folder, name in zip(archives, ("s2", "s1"), strict=True)
    )
    with pytest.raises(
        InputError, match="must see .*one of them does not; .*a file system that all workers share"
    ):
        make_shard(shard_of_nothing(tmp_path / "shards.partial"), s2=s2, s1=s1)


def test_a_shard_that_another_worker_has_finished_is_left_alone(tmp_path):
    tiles = [_tile(cell) for cell in CELLS[:2]]
    task = ShardTask(
        work=tmp_path / "w", number=3, tiles=tiles, options=ExportOptions(patch_px=12),
        provenance=Provenance(command="export", options={}),
    )  # fmt: skip
    (tmp_path / "w" / "receipts").mkdir(parents=True)
    (tmp_path / "w" / "provenance.json").write_text(
        json.dumps({"minortom": task.provenance.as_dict()})
    )
    (tmp_path / "w" / "receipts" / "00003.json").write_text("{}")
    assert make_shard(task, s2=None, s1=None) == 2
    assert not (tmp_path / "w" / "shards").exists()


def _tile(cell):
    return PlannedTile(
        cell=cell, climate="Cfb", landcover="cropland", stratum="Cfb/cropland", split="train",
        s2_product_id="P", s1_product_id="P", s2_timestamp=None, s1_timestamp=None, dt_days=None,
        s2_part="part_00001.parquet", s2_row=0, s1_part="part_00001.parquet", s1_row=0,
    )  # fmt: skip
