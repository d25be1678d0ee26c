"""Sampling with a time budget."""

import json
import time
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow.parquet as pq
import pytest

from minortom.engine.executors import EngineOptions, local_executor
from minortom.errors import OutputExistsError
from minortom.genetic.options import GeneticOptions
from minortom.io.up_to_date import now
from minortom.sampling import coupled_search
from minortom.sampling.coupled_search import CouplingOptions, _replaced
from minortom.sampling.options import SampleOptions
from minortom.sampling.search_log import SearchLog
from minortom.sampling.selection_file import make_selection
from minortom.sampling.strata import Tiles

pytest_plugins = ["sample_stop_fixtures"]

ALONE = CouplingOptions(coupling=False, passes=1)
COUPLED = SampleOptions(per_stratum=20)
ONE = EngineOptions(workers=1)


def test_an_exceeded_time_budget_gives_all_tiles_and_is_reported(tiles_file, caplog):
    out = tiles_file.with_name("out.parquet")
    options = SampleOptions(per_stratum=20, time_budget_s=5)

    summary = make_selection(
        tiles_file, out, options=options, engine=ONE, started=now() - timedelta(seconds=6)
    )

    assert summary.tiles == 100
    report = {
        "complete": False, "searches": 15, "finished": 0, "generations": 0, "replaced": 0.0,
    }  # fmt: skip
    assert summary.search == report
    [note] = caplog.messages
    assert note.startswith("the time budget ended after 0 of 15 searches; the selection is close ")
    assert "would replace, 0 % were replaced; give a larger --time-budget" in note
    assert json.loads(pq.read_schema(out).metadata[b"minortom_search"]) == report
    assert not out.with_name("out.parquet.partial").exists()
    again = make_selection(tiles_file, out, options=options)
    assert (again.status, again.search) == ("up to date", report)


def test_overwrite_repeats_only_a_search_that_its_budget_ended(tiles_file, caplog):
    out = tiles_file.with_name("out.parquet")
    options = SampleOptions(per_stratum=20, time_budget_s=1000)
    long_ago = now() - timedelta(seconds=1001)
    make_selection(tiles_file, out, options=options, engine=ONE, started=long_ago)

    anew = make_selection(tiles_file, out, options=options, engine=ONE, overwrite=True)
    again = make_selection(tiles_file, out, options=options, engine=ONE, overwrite=True)

    assert anew.status == "written"
    assert anew.search["complete"]
    assert anew.search["replaced"] > 0.5
    assert len(caplog.messages) == 1  # of the first call alone
    assert again.status == "up to date"


def test_a_search_stops_within_a_stratum_and_beats_a_random_draw(tiles_file):
    out = tiles_file.with_name("out.parquet")
    options = SampleOptions(
        per_stratum=20, time_budget_s=1, coupling=ALONE,
        genetic=GeneticOptions(generations=10**6, population=10, swap_rounds=0),
    )  # fmt: skip
    before = time.monotonic()
    summary = make_selection(tiles_file, out, options=options, engine=ONE)

    assert time.monotonic() - before < 5
    search = summary.search
    assert (search["finished"], search["searches"]) == (0, 5)
    assert search["generations"] > 10
    convergence = json.loads(out.with_name("out.parquet.run.json").read_text())["convergence"]
    assert convergence["Af/x"][-1] > convergence["Af/x"][0]
    assert set(convergence) == {"Af/x"}  # there was no time to begin with another stratum


def test_a_search_that_was_cut_short_is_not_logged(tiles_file, tmp_path):
    tiles = Tiles.of_table(pq.read_table(tiles_file))
    endless = GeneticOptions(generations=10**6, population=10, swap_rounds=0)
    with local_executor(1) as executor:
        spread = coupled_search.spread_selection(
            tiles, np.minimum(tiles.strata.sizes, 20), genetic=endless, coupling=ALONE, seed=0,
            executor=executor, log=SearchLog(tmp_path), deadline_s=time.time() + 0.5,
        )  # fmt: skip

    assert spread.generations > 0
    assert not (tmp_path / "searches.txt").exists()


def test_an_unused_budget_changes_no_tile(tiles_file):
    out, unbroken = tiles_file.with_name("out.parquet"), tiles_file.with_name("unbroken.parquet")
    make_selection(tiles_file, unbroken, options=COUPLED, engine=ONE)
    options = SampleOptions(per_stratum=20, time_budget_s=1000)
    summary = make_selection(tiles_file, out, options=options, engine=ONE)

    assert summary.search["complete"]
    assert pq.read_table(out).equals(pq.read_table(unbroken))
    with pytest.raises(OutputExistsError):  # another budget is another option
        make_selection(tiles_file, out, options=replace(options, time_budget_s=999), engine=ONE)


@pytest.mark.parametrize(
    ("before", "after", "kept", "expected"),
    [
        ([0, 1], [0, 1], [], 0.0),  # nothing was replaced
        ([0, 1], [2, 3], [], 1.0),  # more than the 2 * (1 - 2 / 4) of an unrelated selection
        ([0, 1, 2], [0, 1, 3], [0], 1 / (2 * (1 - 2 / 7))),  # two of seven tiles are free
        ([0, 1], [0, 1], [0, 1], 1.0),  # there was no choice
    ],
)
def test_replaced_tiles_are_compared_with_an_unrelated_selection(before, after, kept, expected):
    size = 8 if kept else 4
    mask = np.isin(np.arange(size), kept)
    found = _replaced([np.array(before)], [np.array(after)], np.array([size]), mask)
    assert found == pytest.approx(expected)


def test_unrelated_draws_replace_what_the_formula_says():
    rng = np.random.default_rng(5)
    draws = [[np.sort(rng.choice(30, 12, replace=False)) for _ in range(400)] for _ in range(2)]
    sizes, kept = np.full(400, 30), np.zeros(30, bool)
    assert _replaced(*draws, sizes, kept) == pytest.approx(1, abs=0.03)
