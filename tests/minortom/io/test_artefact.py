"""The life cycle of an output: up-to-date check, lock, atomic write and run record."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from minortom.errors import InputError, OutputExistsError
from minortom.io.artefact import artefact
from minortom.io.atomic_write import output_lock, write_json
from minortom.io.provenance import KEY, Provenance, sha256_of

FIRST = Provenance(command="annotate", options={"bbox": [0.0, 1.0]})
SECOND = replace(FIRST, options={"bbox": None})
RECORD = "dataset.json"


def write_file(path, provenance, value=1):
    table = pa.table({"a": [value]}).replace_schema_metadata({KEY: provenance.to_json()})
    pq.write_table(table, path)


def value_in(path):
    return pq.read_table(path)["a"][0].as_py()


def make(out, provenance, value=1, **options):
    """Make an artefact in a file and return what ``artefact`` has yielded."""
    with artefact(out, provenance, **options) as made:
        if not made.up_to_date:
            write_file(made.path, provenance, value)
    return made


def make_folder(out, provenance, name, **options):
    """Make an artefact in a folder with one more file and return what ``artefact`` has yielded."""
    with artefact(out, provenance, record=RECORD, **options) as made:
        if not made.up_to_date:
            (made.path / name).touch()
            write_json(made.path / RECORD, {KEY: provenance.as_dict()})
    return made


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_beside_its_place_and_then_moved_there(tmp_path):
    out = tmp_path / "below" / "out.parquet"

    with artefact(out, FIRST) as made:
        assert not out.exists()
        assert made.path.parent == out.parent
        write_file(made.path, FIRST)

    assert (made.out, made.up_to_date, made.status) == (out, False, "written")
    assert names_in(out.parent) == ["out.parquet", "out.parquet.run.json"]


def test_a_file_with_the_same_provenance_is_left_alone(tmp_path):
    out = tmp_path / "out.parquet"
    make(out, FIRST, value=1)
    out.with_name("out.parquet.run.json").unlink()

    made = make(out, FIRST, value=2, overwrite=True)

    assert (made.up_to_date, made.status, made.path) == (True, "up to date", out)
    assert value_in(out) == 1
    assert names_in(tmp_path) == ["out.parquet"]  # a run that made nothing has no record


def test_a_file_with_another_provenance_is_replaced_only_with_overwrite(tmp_path):
    out = tmp_path / "out.parquet"
    make(out, FIRST, value=1)

    with pytest.raises(OutputExistsError, match="--overwrite"):
        make(out, SECOND, value=2)
    assert value_in(out) == 1

    assert make(out, SECOND, value=2, overwrite=True).status == "written"
    assert value_in(out) == 2


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_body_that_fails_leaves_the_old_file_and_its_record(tmp_path, error):
    out = tmp_path / "out.parquet"
    make(out, FIRST, value=1)
    record = out.with_name("out.parquet.run.json").read_bytes()

    with pytest.raises(error), artefact(out, SECOND, overwrite=True) as made:
        made.path.write_bytes(b"half")
        raise error

    assert value_in(out) == 1
    assert out.with_name("out.parquet.run.json").read_bytes() == record
    assert names_in(tmp_path) == ["out.parquet", "out.parquet.run.json"]


def test_a_folder_is_judged_by_its_record_and_replaced_as_a_whole(tmp_path):
    out = tmp_path / "shards"
    assert make_folder(out, FIRST, "old").status == "written"
    assert make_folder(out, FIRST, "new").status == "up to date"
    assert names_in(out) == [RECORD, "old"]

    with pytest.raises(OutputExistsError):
        make_folder(out, SECOND, "new")
    make_folder(out, SECOND, "new", overwrite=True)

    assert names_in(out) == [RECORD, "new"]
    assert names_in(tmp_path) == ["shards", "shards.run.json"]


def test_a_body_that_fails_leaves_the_old_folder(tmp_path):
    out = tmp_path / "shards"
    make_folder(out, FIRST, "old")

    with (
        pytest.raises(RuntimeError),
        artefact(out, SECOND, record=RECORD, overwrite=True) as made,
    ):
        (made.path / "half").touch()
        raise RuntimeError

    assert names_in(out) == [RECORD, "old"]
    assert names_in(tmp_path) == ["shards", "shards.run.json"]


def test_two_processes_do_not_write_the_same_output(tmp_path):
    out = tmp_path / "out.parquet"
    code = (
        "import pathlib, sys\n"
        "from minortom.io.artefact import artefact\n"
        "from minortom.io.provenance import Provenance\n"
        "with artefact(pathlib.Path(sys.argv[1]), Provenance(command='a', options={})):\n"
        "    pass\n"
    )
    command = [sys.executable, "-c", code, str(out)]

    with artefact(out, FIRST) as made:
        other = subprocess.run(command, capture_output=True, text=True, check=False)
        write_file(made.path, FIRST)

    assert "OutputExistsError: another process is writing" in other.stderr
    assert names_in(tmp_path) == ["out.parquet", "out.parquet.run.json"]


def test_an_output_that_is_up_to_date_needs_no_lock(tmp_path):
    out = tmp_path / "out.parquet"
    make(out, FIRST)

    with output_lock(out):
        assert make(out, FIRST).up_to_date


def test_an_input_is_never_replaced(tmp_path):
    out = tmp_path / "out.parquet"
    make(out, FIRST)

    with pytest.raises(InputError, match="is the input "):
        make(out, SECOND, inputs=iter([out]), overwrite=True)


def test_an_output_that_is_not_whole_is_made_again(tmp_path):
    out = tmp_path / "out.parquet"
    make(out, FIRST, value=1)

    assert make(out, FIRST, value=2, is_whole=lambda: True).up_to_date
    assert not make(out, FIRST, value=3, is_whole=lambda: False).up_to_date
    assert value_in(out) == 3


def test_whether_an_output_is_whole_is_asked_only_where_the_provenance_is_the_same(tmp_path):
    def fail():
        raise AssertionError

    assert make(tmp_path / "out.parquet", FIRST, is_whole=fail).status == "written"


def test_a_file_without_provenance_is_up_to_date_by_its_bytes(tmp_path):
    out = tmp_path / "cells.txt"

    def write(content, **options):
        with artefact(out, FIRST, content=content, **options) as made:
            if not made.up_to_date:
                made.path.write_bytes(content)
        return made.status

    assert write(b"one\n") == "written"
    assert write(b"one\n") == "up to date"
    with pytest.raises(OutputExistsError, match="--overwrite"):
        write(b"two\n")
    assert out.read_bytes() == b"one\n"
    assert write(b"two\n", overwrite=True) == "written"
    assert out.read_bytes() == b"two\n"


def test_work_in_place_writes_to_the_output_itself(tmp_path):
    out = tmp_path / "shards"

    with artefact(out, FIRST, record=RECORD, in_place=True) as made:
        assert made.path == out
        with pytest.raises(OutputExistsError), output_lock(out):
            pass  # locked all the same
        out.mkdir()
        write_json(out / RECORD, {KEY: FIRST.as_dict()})

    assert make_folder(out, FIRST, "more").up_to_date
    assert names_in(tmp_path) == ["shards", "shards.run.json"]


def test_the_run_record_holds_the_start_the_hash_and_the_details_of_the_body(tmp_path):
    out = tmp_path / "out.parquet"

    with artefact(out, FIRST, started=datetime(2026, 5, 1, tzinfo=UTC)) as made:
        write_file(made.path, FIRST)
        made.run_details["tiles"] = 3

    record = json.loads(out.with_name("out.parquet.run.json").read_text(encoding="utf-8"))
    assert record["started"] == "2026-05-01T00:00:00+00:00"
    assert (record["sha256"], record["tiles"]) == (sha256_of(out), 3)
    assert list(record)[-1] == "tiles"


@pytest.mark.parametrize("record", ["missing", "of another output", "damaged"])
def test_a_run_that_was_killed_before_its_record_gets_one(tmp_path, record):
    out, path = tmp_path / "out.parquet", tmp_path / "out.parquet.run.json"
    make(out, SECOND)
    of_another = path.read_text()
    make(out, FIRST, overwrite=True)
    whole = json.loads(path.read_text())
    if record == "missing":
        path.unlink()
        (tmp_path / ".out.parquet.lock").touch()
    else:
        path.write_text(of_another if record == "of another output" else "{")
    assert make(out, FIRST).up_to_date
    found = json.loads(path.read_text())
    assert found.pop("completed_later")
    assert found.keys() == whole.keys()
    for key in ("sha256", "provenance_sha256"):
        assert found[key] == whole[key]


def test_the_record_of_an_up_to_date_output_stays(tmp_path):
    out, path = tmp_path / "out.parquet", tmp_path / "out.parquet.run.json"
    make(out, FIRST)
    older = {k: v for k, v in json.loads(path.read_text()).items() if k != "provenance_sha256"}
    for text in (path.read_text(), json.dumps(older)):
        path.write_text(text)
        assert make(out, FIRST).up_to_date
        assert path.read_text() == text


@pytest.mark.parametrize("out", [".", "..", "/"])
def test_an_output_without_a_name_of_its_own_is_an_error(tmp_path, monkeypatch, out):
    monkeypatch.chdir(tmp_path)
    with (
        pytest.raises(InputError, match="has no file name; give one"),
        artefact(Path(out), FIRST, record=RECORD),
    ):
        pass
    assert list(tmp_path.iterdir()) == []
