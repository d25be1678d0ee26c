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
from minortom.sampling.coupled_search import CouplingOptions
from minortom.sampling.options import SampleOptions
from minortom.sampling.search_log import SearchLog
from minortom.sampling.selection_file import make_selection
from minortom.sampling.strata import Tiles

pytest_plugins = ["sample_stop_fixtures"]

ALONE = CouplingOptions(coupling=False, passes=1)
COUPLED = SampleOptions(per_stratum=20)
ONE = EngineOptions(workers=1)


def test_an_exceeded_time_budget_gives_all_tiles_and_is_reported(tiles_file):
    out = tiles_file.with_name("out.parquet")
    options = SampleOptions(per_stratum=20, time_budget_s=5)

    summary = make_selection(
        tiles_file, out, options=options, engine=ONE, started=now() - timedelta(seconds=6)
    )

    assert summary.tiles == 100
    report = {"complete": False, "searches": 15, "finished": 0, "generations": 0}
    assert summary.search == report
    assert json.loads(pq.read_schema(out).metadata[b"minortom_search"]) == report
    assert not out.with_name("out.parquet.partial").exists()
    again = make_selection(tiles_file, out, options=options)
    assert (again.status, again.search) == ("up to date", report)


def test_overwrite_repeats_only_a_search_that_its_budget_ended(tiles_file):
    out = tiles_file.with_name("out.parquet")
    options = SampleOptions(per_stratum=20, time_budget_s=1000)
    long_ago = now() - timedelta(seconds=1001)
    make_selection(tiles_file, out, options=options, engine=ONE, started=long_ago)

    anew = make_selection(tiles_file, out, options=options, engine=ONE, overwrite=True)
    again = make_selection(tiles_file, out, options=options, engine=ONE, overwrite=True)

    assert anew.status == "written"
    assert anew.search["complete"]
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
