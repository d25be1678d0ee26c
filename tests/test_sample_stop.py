"""Sampling: stopped, killed, out of time, and what is there already."""

import json
import signal
import subprocess
import sys
import time
import zlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from points import annotated_table, random_lonlat

from minortom import coupling
from minortom.coupling import CouplingOptions
from minortom.engine import EngineOptions, local_executor
from minortom.errors import OutputExistsError
from minortom.genetic import evolve
from minortom.geoparquet import write_points
from minortom.outputs import now
from minortom.provenance import Provenance
from minortom.sample import sample_file
from minortom.sample_options import SampleOptions
from minortom.search import GeneticOptions
from minortom.search_log import SearchLog
from minortom.strata import Tiles

STRATA = {"Af/x": 90, "BWh/x": 80, "Cfa/x": 70, "Dfb/x": 60, "ET/x": 50}
ALONE = CouplingOptions(spread=0, density=0, passes=1)
PLAIN = GeneticOptions(generations=20, population=6, tries=0)
COUPLED = SampleOptions(per_stratum=20)
UNCOUPLED = SampleOptions(per_stratum=20, genetic=PLAIN, coupling=ALONE)
ONE = EngineOptions(workers=1)


@pytest.fixture
def annotated(tmp_path):
    names = [name for name, size in STRATA.items() for _ in range(size)]
    path = tmp_path / "annotated.parquet"
    table = annotated_table(*random_lonlat(len(names)), names)
    write_points(table, path, Provenance(command="annotate", options={}))
    return path


def stop_after(searches):
    def stop(done, _):
        if done == searches:
            raise KeyboardInterrupt

    return stop


def stopped(annotated, options, searches, out="out.parquet"):
    """Stop a run by Ctrl-C after so many searches; give where its work lies."""
    path = annotated.with_name(out)
    with pytest.raises(KeyboardInterrupt):
        sample_file(annotated, path, options=options, engine=ONE, on_progress=stop_after(searches))
    assert not path.exists()
    return path.with_name(f"{out}.partial")


@pytest.mark.parametrize("searches", [1, 4, 5, 7, 15])
def test_a_coupled_search_that_was_stopped_goes_on_to_the_same_bytes(
    annotated, searches, monkeypatch
):
    unbroken, out = annotated.with_name("unbroken.parquet"), annotated.with_name("out.parquet")
    sample_file(annotated, unbroken, options=COUPLED, engine=ONE)
    work = stopped(annotated, COUPLED, searches)
    anew = []

    def counted(*arguments, **more):
        anew.append(arguments)
        return evolve(*arguments, **more)

    monkeypatch.setattr(coupling, "evolve", counted)
    sample_file(annotated, out, options=COUPLED, engine=ONE)

    assert len(anew) == 15 - searches  # five strata, three times
    assert out.read_bytes() == unbroken.read_bytes()
    assert not work.exists()


@pytest.mark.parametrize("searches", [1, 4])
def test_independent_strata_are_each_kept(annotated, searches):
    work = stopped(annotated, UNCOUPLED, searches)
    lines = (work / "searches.txt").read_text().splitlines()
    assert len(lines) == searches

    out, unbroken = annotated.with_name("out.parquet"), annotated.with_name("unbroken.parquet")
    sample_file(annotated, out, options=UNCOUPLED, engine=ONE)
    sample_file(annotated, unbroken, options=UNCOUPLED, engine=ONE)
    assert out.read_bytes() == unbroken.read_bytes()


def test_finished_searches_are_taken_as_they_are_written(annotated):
    work = stopped(annotated, UNCOUPLED, 3)
    path = work / "searches.txt"
    first, *others = path.read_text().splitlines()
    record = json.loads(first.partition(" ")[2])
    text = json.dumps(record | {"members": list(range(20))})  # nothing a search would find
    path.write_text("\n".join([f"{zlib.crc32(text.encode()):08x} {text}", *others, ""]))
    out = annotated.with_name("out.parquet")

    sample_file(annotated, out, options=UNCOUPLED, engine=ONE)

    of_stratum = [f"{i}U_{i}R" for i in range(90)][:20]
    chosen = pq.read_table(out)
    assert record["stratum"] == 0  # the largest is searched first
    assert chosen["grid_cell"].to_pylist()[:20] == of_stratum


@pytest.mark.parametrize("torn", ['{"pass": 0, "stra', "null\n", '{"pass": 0}\n', "\0\0\0\n"])
def test_a_torn_last_line_is_searched_again(annotated, torn):
    unbroken, out = annotated.with_name("unbroken.parquet"), annotated.with_name("out.parquet")
    sample_file(annotated, unbroken, options=UNCOUPLED, engine=ONE)
    path = stopped(annotated, UNCOUPLED, 3) / "searches.txt"
    whole = path.read_text()
    path.write_text(whole + torn)

    assert stopped(annotated, UNCOUPLED, 4) == path.parent
    assert path.read_text().startswith(whole)
    assert len(path.read_text().splitlines()) == 4
    sample_file(annotated, out, options=UNCOUPLED, engine=ONE)
    assert out.read_bytes() == unbroken.read_bytes()


def test_a_search_whose_line_was_altered_is_made_again(annotated):
    unbroken, out = annotated.with_name("unbroken.parquet"), annotated.with_name("out.parquet")
    sample_file(annotated, unbroken, options=UNCOUPLED, engine=ONE)
    path = stopped(annotated, UNCOUPLED, 3) / "searches.txt"
    text = path.read_text()
    digit = text.index('"members": [') + len('"members": [')
    path.write_text(f"{text[:digit]}9{text[digit:]}")  # such as a row that is not there

    sample_file(annotated, out, options=UNCOUPLED, engine=ONE)
    assert out.read_bytes() == unbroken.read_bytes()


def test_work_of_other_options_is_left_unless_overwritten(annotated):
    work = stopped(annotated, UNCOUPLED, 2)
    kept = (work / "searches.txt").read_bytes()
    out, other = annotated.with_name("out.parquet"), SampleOptions(per_stratum=7)

    with pytest.raises(OutputExistsError, match="holds unfinished work made with other"):
        sample_file(annotated, out, options=other, engine=ONE)
    assert (work / "searches.txt").read_bytes() == kept
    assert sample_file(annotated, out, options=other, engine=ONE, overwrite=True)["tiles"] == 35
    assert not work.exists()


def test_a_folder_of_somebody_else_stays(annotated):
    work = annotated.with_name("out.parquet.partial")
    work.mkdir()
    (work / "dear.txt").write_text("mine")

    with pytest.raises(OutputExistsError, match="is not ours"):
        sample_file(
            annotated, annotated.with_name("out.parquet"), options=COUPLED, overwrite=True
        )  # fmt: skip
    assert (work / "dear.txt").read_text() == "mine"


def test_a_run_without_a_finished_search_leaves_nothing(annotated, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(coupling, "evolve", stop)
    with pytest.raises(KeyboardInterrupt):
        sample_file(annotated, annotated.with_name("out.parquet"), options=COUPLED, engine=ONE)

    assert list(annotated.parent.iterdir()) == [annotated]


PROGRAM = str(Path(sys.executable).parent / "minortom")
LONG = ("--per-stratum", "20", "--spread", "0.5", "--generations", "60", "--population", "4")


def started(annotated, out):
    command = [PROGRAM, "sample", annotated, "--out", out, *LONG, "--workers", "1"]
    return subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for_searches(process, work, count):
    path = work / "searches.txt"
    while not path.exists() or path.read_bytes().count(b"\n") < count:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_a_real_process_that_is_stopped_goes_on_to_the_same_bytes(annotated, number, code):
    out, unbroken = annotated.with_name("out.parquet"), annotated.with_name("unbroken.parquet")
    process = started(annotated, out)
    wait_for_searches(process, out.with_name("out.parquet.partial"), 2)
    process.send_signal(number)
    process.communicate()
    assert process.returncode == code
    assert not out.exists()

    again = started(annotated, out)
    assert again.communicate()[1] == ""
    options = SampleOptions(
        per_stratum=20, genetic=GeneticOptions(generations=60), coupling=CouplingOptions()
    )
    sample_file(annotated, unbroken, options=options)
    assert out.read_bytes() == unbroken.read_bytes()
    assert not out.with_name("out.parquet.partial").exists()
    assert list(annotated.parent.glob(".*")) == []  # no lock and no temporary file


def test_two_processes_do_not_make_the_same_file(annotated):
    out = annotated.with_name("out.parquet")
    first = started(annotated, out)
    wait_for_searches(first, out.with_name("out.parquet.partial"), 1)
    second = started(annotated, out)

    error = second.communicate()[1]
    first.kill()
    first.communicate()
    assert second.returncode == 1
    assert error.startswith("error: another process is making")


def test_a_time_budget_that_is_over_gives_as_many_tiles_and_says_so(annotated):
    out = annotated.with_name("out.parquet")
    options = SampleOptions(per_stratum=20, time_budget_s=5)

    summary = sample_file(
        annotated, out, options=options, engine=ONE, started=now() - timedelta(seconds=6)
    )

    assert summary["tiles"] == 100
    report = {"complete": False, "searches": 15, "finished": 0, "generations": 0}
    assert summary["search"] == report
    assert json.loads(pq.read_schema(out).metadata[b"minortom_search"]) == report
    assert not out.with_name("out.parquet.partial").exists()
    again = sample_file(annotated, out, options=options)
    assert (again["status"], again["search"]) == ("up to date", report)


def test_overwriting_searches_anew_what_had_too_little_time_and_nothing_else(annotated):
    out = annotated.with_name("out.parquet")
    options = SampleOptions(per_stratum=20, time_budget_s=1000)
    long_ago = now() - timedelta(seconds=1001)
    sample_file(annotated, out, options=options, engine=ONE, started=long_ago)

    anew = sample_file(annotated, out, options=options, engine=ONE, overwrite=True)
    again = sample_file(annotated, out, options=options, engine=ONE, overwrite=True)

    assert anew["status"] == "written"
    assert anew["search"]["complete"]
    assert again["status"] == "up to date"


def test_a_search_is_cut_within_a_stratum_and_is_better_than_chance(annotated):
    out = annotated.with_name("out.parquet")
    options = SampleOptions(
        per_stratum=20, time_budget_s=1, coupling=ALONE,
        genetic=GeneticOptions(generations=10**6, population=10, tries=0),
    )  # fmt: skip
    before = time.monotonic()
    summary = sample_file(annotated, out, options=options, engine=ONE)

    assert time.monotonic() - before < 5
    search = summary["search"]
    assert (search["finished"], search["searches"]) == (0, 5)
    assert search["generations"] > 10
    convergence = json.loads(out.with_name("out.parquet.run.json").read_text())["convergence"]
    assert convergence["Af/x"][-1] > convergence["Af/x"][0]
    assert set(convergence) == {"Af/x"}  # there was no time to begin with another stratum


def test_a_search_that_was_cut_short_is_not_kept_as_finished(annotated, tmp_path):
    tiles = Tiles.of_table(pq.read_table(annotated))
    endless = GeneticOptions(generations=10**6, population=10, tries=0)
    with local_executor(1) as executor:
        spread = coupling.spread_selection(
            tiles, np.minimum(tiles.strata.sizes, 20), genetic=endless, coupling=ALONE, seed=0,
            executor=executor, log=SearchLog(tmp_path), deadline_s=time.time() + 0.5,
        )  # fmt: skip

    assert spread.generations > 0
    assert not (tmp_path / "searches.txt").exists()


def test_a_budget_that_is_not_used_up_changes_no_tile(annotated):
    out, unbroken = annotated.with_name("out.parquet"), annotated.with_name("unbroken.parquet")
    sample_file(annotated, unbroken, options=COUPLED, engine=ONE)
    options = SampleOptions(per_stratum=20, time_budget_s=1000)
    summary = sample_file(annotated, out, options=options, engine=ONE)

    assert summary["search"]["complete"]
    assert pq.read_table(out).equals(pq.read_table(unbroken))
    with pytest.raises(OutputExistsError):  # another budget is another option
        sample_file(annotated, out, options=replace(options, time_budget_s=999), engine=ONE)
