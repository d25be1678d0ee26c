"""Sampling: interrupted runs, killed processes and existing folders."""

import json
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from minortom.engine.executors import EngineOptions
from minortom.errors import OutputExistsError
from minortom.genetic.algorithm import evolve
from minortom.genetic.options import GeneticOptions
from minortom.sampling import coupled_search
from minortom.sampling.coupled_search import CouplingOptions
from minortom.sampling.options import SampleOptions
from minortom.sampling.selection_file import make_selection

pytest_plugins = ["sample_stop_fixtures"]

ALONE = CouplingOptions(coupling=False, passes=1)
PLAIN = GeneticOptions(generations=20, population=6, swap_rounds=0)
COUPLED = SampleOptions(per_stratum=20)
UNCOUPLED = SampleOptions(per_stratum=20, genetic=PLAIN, coupling=ALONE)
ONE = EngineOptions(workers=1)


def stop_after(searches):
    def stop(done, _):
        if done == searches:
            raise KeyboardInterrupt

    return stop


def stopped(tiles_file, options, searches, out="out.parquet"):
    """Stop a run by Ctrl-C after so many searches; give where its work lies."""
    path = tiles_file.with_name(out)
    with pytest.raises(KeyboardInterrupt):
        make_selection(
            tiles_file, path, options=options, engine=ONE, on_progress=stop_after(searches)
        )
    assert not path.exists()
    return path.with_name(f"{out}.partial")


@pytest.mark.parametrize("searches", [1, 4, 5, 7, 15])
def test_an_interrupted_coupled_search_resumes_to_the_same_bytes(tiles_file, searches, monkeypatch):
    unbroken, out = tiles_file.with_name("unbroken.parquet"), tiles_file.with_name("out.parquet")
    make_selection(tiles_file, unbroken, options=COUPLED, engine=ONE)
    work = stopped(tiles_file, COUPLED, searches)
    anew = []

    def counted(*arguments, **more):
        anew.append(arguments)
        return evolve(*arguments, **more)

    monkeypatch.setattr(coupled_search, "evolve", counted)
    make_selection(tiles_file, out, options=COUPLED, engine=ONE)

    assert len(anew) == 15 - searches  # five strata, three times
    assert out.read_bytes() == unbroken.read_bytes()
    assert not work.exists()


@pytest.mark.parametrize("searches", [1, 4])
def test_each_search_of_independent_strata_is_logged(tiles_file, searches):
    work = stopped(tiles_file, UNCOUPLED, searches)
    lines = (work / "searches.txt").read_text().splitlines()
    assert len(lines) == searches

    out, unbroken = tiles_file.with_name("out.parquet"), tiles_file.with_name("unbroken.parquet")
    make_selection(tiles_file, out, options=UNCOUPLED, engine=ONE)
    make_selection(tiles_file, unbroken, options=UNCOUPLED, engine=ONE)
    assert out.read_bytes() == unbroken.read_bytes()


def test_logged_searches_are_used_as_they_are(tiles_file):
    work = stopped(tiles_file, UNCOUPLED, 3)
    path = work / "searches.txt"
    first, *others = path.read_text().splitlines()
    record = json.loads(first.partition(" ")[2])
    text = json.dumps(record | {"members": list(range(20))})  # nothing a search would find
    path.write_text("\n".join([f"{zlib.crc32(text.encode()):08x} {text}", *others, ""]))
    out = tiles_file.with_name("out.parquet")

    make_selection(tiles_file, out, options=UNCOUPLED, engine=ONE)

    of_stratum = pq.read_table(tiles_file)["grid_cell"].to_pylist()[:20]
    chosen = pq.read_table(out)
    assert record["stratum"] == 0  # the largest is searched first
    assert chosen["grid_cell"].to_pylist()[:20] == of_stratum


@pytest.mark.parametrize("torn", ['{"pass": 0, "stra', "null\n", '{"pass": 0}\n', "\0\0\0\n"])
def test_the_search_of_an_incomplete_last_line_is_repeated(tiles_file, torn):
    unbroken, out = tiles_file.with_name("unbroken.parquet"), tiles_file.with_name("out.parquet")
    make_selection(tiles_file, unbroken, options=UNCOUPLED, engine=ONE)
    path = stopped(tiles_file, UNCOUPLED, 3) / "searches.txt"
    whole = path.read_text()
    path.write_text(whole + torn)

    assert stopped(tiles_file, UNCOUPLED, 4) == path.parent
    assert path.read_text().startswith(whole)
    assert len(path.read_text().splitlines()) == 4
    make_selection(tiles_file, out, options=UNCOUPLED, engine=ONE)
    assert out.read_bytes() == unbroken.read_bytes()


def test_the_search_of_an_altered_line_is_repeated(tiles_file):
    unbroken, out = tiles_file.with_name("unbroken.parquet"), tiles_file.with_name("out.parquet")
    make_selection(tiles_file, unbroken, options=UNCOUPLED, engine=ONE)
    path = stopped(tiles_file, UNCOUPLED, 3) / "searches.txt"
    text = path.read_text()
    digit = text.index('"members": [') + len('"members": [')
    path.write_text(f"{text[:digit]}9{text[digit:]}")  # such as a row that is not there

    make_selection(tiles_file, out, options=UNCOUPLED, engine=ONE)
    assert out.read_bytes() == unbroken.read_bytes()


def test_work_with_other_options_stays_without_overwrite(tiles_file):
    work = stopped(tiles_file, UNCOUPLED, 2)
    kept = (work / "searches.txt").read_bytes()
    out, other = tiles_file.with_name("out.parquet"), SampleOptions(per_stratum=7)

    with pytest.raises(OutputExistsError, match="has unfinished work with other"):
        make_selection(tiles_file, out, options=other, engine=ONE)
    assert (work / "searches.txt").read_bytes() == kept
    assert make_selection(tiles_file, out, options=other, engine=ONE, overwrite=True).tiles == 35
    assert not work.exists()


def test_a_folder_with_other_files_stays(tiles_file):
    work = tiles_file.with_name("out.parquet.partial")
    work.mkdir()
    (work / "dear.txt").write_text("mine")

    with pytest.raises(OutputExistsError, match="it has files and no provenance.json"):
        make_selection(
            tiles_file, tiles_file.with_name("out.parquet"), options=COUPLED, overwrite=True
        )  # fmt: skip
    assert (work / "dear.txt").read_text() == "mine"


def test_a_run_without_a_completed_search_leaves_no_files(tiles_file, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(coupled_search, "evolve", stop)
    with pytest.raises(KeyboardInterrupt):
        make_selection(tiles_file, tiles_file.with_name("out.parquet"), options=COUPLED, engine=ONE)

    assert list(tiles_file.parent.iterdir()) == [tiles_file]


PROGRAM = str(Path(sys.executable).parent / "minortom")
LONG = ("--per-stratum", "20", "--generations", "60", "--population", "4")


def started(tiles_file, out):
    command = [PROGRAM, "sample", tiles_file, "--out", out, *LONG, "--workers", "1"]
    return subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for_searches(process, work, count):
    path = work / "searches.txt"
    while not path.exists() or path.read_bytes().count(b"\n") < count:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGKILL, -9), pytest.param(signal.SIGINT, 130, marks=pytest.mark.soak)],
)
def test_a_killed_process_resumes_to_the_same_bytes(tiles_file, number, code):
    out, unbroken = tiles_file.with_name("out.parquet"), tiles_file.with_name("unbroken.parquet")
    process = started(tiles_file, out)
    wait_for_searches(process, out.with_name("out.parquet.partial"), 2)
    process.send_signal(number)
    process.communicate()
    assert process.returncode == code
    assert not out.exists()

    again = started(tiles_file, out)
    assert again.communicate()[1] == ""
    options = SampleOptions(per_stratum=20, genetic=GeneticOptions(generations=60, population=4))
    make_selection(tiles_file, unbroken, options=options)
    assert out.read_bytes() == unbroken.read_bytes()
    assert not out.with_name("out.parquet.partial").exists()
    assert list(tiles_file.parent.glob(".*")) == []  # no lock and no temporary file


def test_two_processes_do_not_write_the_same_file(tiles_file):
    out = tiles_file.with_name("out.parquet")
    first = started(tiles_file, out)
    wait_for_searches(first, out.with_name("out.parquet.partial"), 1)
    second = started(tiles_file, out)

    error = second.communicate()[1]
    first.kill()
    first.communicate()
    assert second.returncode == 1
    assert error.startswith("error: another process is writing")
