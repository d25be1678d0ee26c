"""Export: stopped, killed, full disks, and existing outputs."""

import dataclasses
import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from archive_maker import CELLS, write_selection
from export_maker import files_of, places_of, replace_row

import minortom
from minortom.errors import InputError, OutputExistsError
from minortom.shards import codec
from minortom.shards.formats import Codec, Format
from minortom.shards.shard_set import ShardSet

pytest_plugins = ("export_fixtures",)


class StopHereError(Exception):
    pass


@pytest.mark.parametrize("tiles", [1, 3, 6, 7])
def test_a_stopped_export_resumes_to_the_same_bytes(export, tmp_path, tiles):
    export("unbroken")

    def stop(done, _):
        if done == tiles:
            raise StopHereError

    with pytest.raises(StopHereError):
        export("broken", on_progress=stop)
    assert not (tmp_path / "broken").exists()
    seen = []
    export("broken", on_progress=lambda done, _: seen.append(done))
    # Shards of two tiles: what was finished is not read again.
    assert seen[0] == (tiles - 1) // 2 * 2
    assert seen[-1] == 7
    assert files_of(tmp_path / "broken") == files_of(tmp_path / "unbroken")
    assert not (tmp_path / "broken.partial").exists()


@pytest.mark.parametrize("words", [{"codec": Codec.BLOSC2}, {"format": Format.WEBDATASET}])
def test_a_stopped_export_of_packed_shards_or_tars_resumes_to_the_same_bytes(
    export, tmp_path, words
):
    export("unbroken", **words)

    def stop(done, _):
        if done == 5:
            raise StopHereError

    with pytest.raises(StopHereError):
        export("broken", on_progress=stop, **words)
    export("broken", **words)
    assert files_of(tmp_path / "broken") == files_of(tmp_path / "unbroken")


COMMAND = """
import sys
from pathlib import Path
from minortom.extraction.export import write_export
from minortom.extraction.inputs import ExportInputs
from minortom.engine.executors import EngineOptions
from minortom.extraction.options import ExportOptions
if __name__ == "__main__":
    selection, s2, s1, out, workers = sys.argv[1:]
    write_export(ExportInputs.open(Path(selection), s2, s1), Path(out),
                 engine=EngineOptions(workers=int(workers)),
                 options=ExportOptions(patch_px=12, shard_bytes=30_000_000))
"""


def start_export(tmp_path, archives, out, *, workers=1, **columns):
    script = tmp_path / "command.py"
    script.write_text(COMMAND)
    selection = write_selection(tmp_path / "selection.parquet", CELLS, **columns)
    arguments = [selection, *archives, out, workers]
    return subprocess.Popen(
        [sys.executable, script, *map(str, arguments)], stderr=subprocess.PIPE, text=True
    )


def check_killed_exports(tmp_path, archives, delays_s, **options):
    export = start_export(tmp_path, archives, tmp_path / "unbroken", **options)
    assert export.communicate()[1] == ""
    wanted = files_of(tmp_path / "unbroken")
    for number, delay_s in enumerate(delays_s):
        out = tmp_path / f"killed{number}"
        export = start_export(tmp_path, archives, out, **options)
        time.sleep(delay_s)
        export.send_signal(signal.SIGKILL)
        export.communicate()
        export = start_export(tmp_path, archives, out, **options)
        assert export.communicate()[1] == ""
        assert files_of(out) == wanted
        assert not out.with_name(f"{out.name}.partial").exists()


@pytest.fixture
def with_replacements(own_archives):
    """Two rounds of reserves: two chosen tiles and the first reserve are unusable."""
    for row in (0, 3, 6):
        replace_row(own_archives[0], row, B02=b"garbled")
    ranks = [None, None, None, None, 3, 2, 1]
    roles = ["selected" if rank is None else "reserve" for rank in ranks]
    return own_archives, {"role": roles, "reserve_rank": ranks}


def test_a_killed_export_with_replacements_resumes_to_the_same_bytes(tmp_path, with_replacements):
    archives, columns = with_replacements
    check_killed_exports(tmp_path, archives, [1.2, 1.6], workers=1, **columns)
    record = json.loads((tmp_path / "killed0" / "dataset.json").read_text())
    assert len(record["replaced"]) == 3


@pytest.mark.soak
def test_an_export_with_replacements_killed_at_many_moments_resumes_to_the_same_bytes(
    tmp_path, with_replacements
):
    archives, columns = with_replacements
    delays = np.random.default_rng(1).uniform(0.8, 2.5, 16)
    check_killed_exports(tmp_path, archives, delays, workers=1, **columns)


@pytest.mark.soak
def test_an_export_killed_at_many_moments_resumes_to_the_same_bytes(tmp_path, archives):
    delays = np.random.default_rng(0).uniform(0.8, 3.5, 50)
    check_killed_exports(tmp_path, archives, delays[:25], workers=1)
    (tmp_path / "two").mkdir()
    check_killed_exports(tmp_path / "two", archives, delays[25:], workers=2)


def test_a_full_disk_is_one_line_and_the_export_resumes_later(export, tmp_path):
    resource = pytest.importorskip("resource")
    export("unbroken")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
        with pytest.raises(
            InputError, match=r"cannot write to .*\.partial: .*File too large; .* to resume"
        ):
            export("full")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old)
    export("full")
    assert files_of(tmp_path / "full") == files_of(tmp_path / "unbroken")


def test_unfinished_work_of_another_export_is_not_resumed(export, tmp_path):
    def stop(done, _):
        if done == 4:
            raise StopHereError

    with pytest.raises(StopHereError):
        export(on_progress=stop)
    with pytest.raises(OutputExistsError, match=r"unfinished work with other inputs"):
        export(seed=1)
    export(seed=1, overwrite=True)
    export("fresh", seed=1)
    assert places_of(tmp_path / "shards") == places_of(tmp_path / "fresh")


def test_a_finished_export_is_up_to_date(export, tmp_path):
    first = export()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "shards").iterdir()}
    again = export(workers=2)
    assert again.status == "up to date"
    assert dataclasses.replace(again, status="written") == first
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "shards").iterdir()}


def test_an_export_with_a_missing_shard_is_made_again(export, tmp_path):
    export()
    before = files_of(tmp_path / "shards")
    next((tmp_path / "shards").glob("*.parquet")).unlink()
    assert export().status == "written"
    assert files_of(tmp_path / "shards") == before


@pytest.mark.parametrize("changes", [{"export": None}, {"shards": [{}]}, {"shards": 5}])
def test_an_export_whose_record_is_damaged_is_made_again(export, tmp_path, changes):
    export()
    before = files_of(tmp_path / "shards")
    path = tmp_path / "shards" / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    assert export().status == "written"
    assert files_of(tmp_path / "shards") == before


def test_an_export_with_other_options_is_replaced_only_with_overwrite(export, tmp_path):
    export()
    with pytest.raises(OutputExistsError, match="made with other inputs or options"):
        export(seed=1)
    assert not (tmp_path / "shards.partial").exists()
    export(seed=1, overwrite=True)
    assert ShardSet.open(tmp_path / "shards").provenance["seed"] == 1


def test_the_working_folder_of_a_finished_export_is_removed(export, tmp_path):
    export()
    work = tmp_path / "shards.partial"
    work.mkdir()
    record = json.loads((tmp_path / "shards" / "dataset.json").read_text())
    (work / "provenance.json").write_text(json.dumps({"minortom": record["minortom"]}))
    assert export().status == "up to date"
    assert not work.exists()


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_other_files_in_place_of_the_working_folder_is_left_alone(
    export, tmp_path, overwrite
):
    work = tmp_path / "shards.partial"
    work.mkdir()
    (work / "thesis.tex").touch()
    with pytest.raises(OutputExistsError, match="it has files and no provenance.json; move"):
        export(overwrite=overwrite)
    assert [path.name for path in work.iterdir()] == ["thesis.tex"]
    assert not (tmp_path / "shards").exists()


@pytest.mark.parametrize(
    ("module", "options"),
    [("blosc2", {"codec": "blosc2"}), ("distributed", {"engine": "dask", "workers": 1})],
)
def test_a_missing_package_is_an_error_before_anything_is_made(
    archives, tmp_path, monkeypatch, module, options
):
    selection = write_selection(tmp_path / "selection.parquet", CELLS)
    monkeypatch.setitem(sys.modules, module, None)
    codec._blosc2.cache_clear()  # an earlier test may have imported it
    out = tmp_path / "below" / "shards"
    with pytest.raises(InputError, match=f"needs? the package {module}, which is not installed"):
        minortom.export(
            selection, s2=archives[0], s1=archives[1], out=out, patch_size=12, **options
        )
    assert [path.name for path in tmp_path.iterdir()] == ["selection.parquet"]


def test_unfinished_work_without_a_shard_does_not_refuse_other_options(export, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        export(on_progress=interrupt)
    assert (tmp_path / "shards.partial").is_dir()
    export(seed=3)
    assert (tmp_path / "shards" / "dataset.json").is_file()


def interrupt(*_):
    raise KeyboardInterrupt


def test_shards_that_were_exchanged_before_a_kill_are_not_taken_for_new_ones(export, tmp_path):
    """As after a kill between the exchange and the removal of the older shards."""
    export(seed=1)
    work = tmp_path / "shards.partial"
    with pytest.raises(KeyboardInterrupt):
        export(seed=2, overwrite=True, on_progress=interrupt)
    shutil.rmtree(work / "shards")
    (tmp_path / "shards").rename(work / "shards")
    export(seed=2)
    export("wanted", seed=2)
    assert files_of(tmp_path / "shards") == files_of(tmp_path / "wanted")


def test_finished_shards_that_were_not_moved_yet_are_deleted_only_with_overwrite(
    export, tmp_path, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr("minortom.extraction.job.replace_folder", interrupt)
        with pytest.raises(KeyboardInterrupt):
            export(seed=1)
    stopped = files_of(tmp_path / "shards.partial" / "shards")
    assert "dataset.json" in stopped
    with pytest.raises(OutputExistsError, match="unfinished work with other inputs or options"):
        export(seed=2)
    assert files_of(tmp_path / "shards.partial" / "shards") == stopped
    export(seed=2, overwrite=True)
    assert ShardSet.open(tmp_path / "shards").provenance["seed"] == 2
