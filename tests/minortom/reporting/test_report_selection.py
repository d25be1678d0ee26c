"""Reports of selections with quotas, splits, reserves and searches."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from file_hashes import hashes
from points_files import write_points
from report_inputs import annotated_table, report_of

from minortom.engine.executors import EngineOptions
from minortom.io.provenance import Provenance
from minortom.sampling.presets import sample_options
from minortom.sampling.selection_file import make_selection
from minortom.sampling.summary import SEARCH_KEY

HERE = EngineOptions(workers=1)


@pytest.fixture(scope="module")
def annotated(tmp_path_factory):
    path = tmp_path_factory.mktemp("input") / "annotated.parquet"
    write_points(annotated_table(300), path, Provenance(command="annotate", options={}))
    return path


def reported(annotated, folder, **options):
    """Sample and report; gives the page, the record and the selection's file."""
    chosen = sample_options(**{"method": "random", **options})
    selection = folder / "selection.parquet"
    make_selection(annotated, selection, options=chosen, engine=HERE)
    return *read(annotated, selection, folder / "report"), selection


def read(annotated, selection, out):
    report_of(selection, annotated, out, draws=2)
    record = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    return (out / "report.html").read_text(encoding="utf-8"), record


def test_the_random_row_has_the_mean_and_the_deviation_of_the_draws(annotated, tmp_path):
    _, record, _ = reported(annotated, tmp_path, per_stratum=20)
    random, others = record["rows"][1], [record["rows"][n] for n in (0, 2, 3)]

    assert random["draws"] == 2
    for name in ("nn_km", "within_km", "cover_km", "pairwise_km", "balance"):
        assert random[f"{name}_sd"] > 0
    assert not any("draws" in row or "nn_km_sd" in row for row in others)
    assert record["minortom"]["options"] == {"draws": 2}


def test_each_stratum_has_its_own_requested_number(annotated, tmp_path):
    table = pq.read_table(annotated)
    names, sizes = np.unique(table["stratum"].to_pylist(), return_counts=True)
    quota = {name: int(size) + 5 for name, size in zip(names[:2], sizes[:2], strict=True)}
    options = replace(sample_options(method="random", per_stratum=8), quota=quota)
    selection = tmp_path / "selection.parquet"
    make_selection(annotated, selection, options=options, engine=HERE)
    page, record = read(annotated, selection, tmp_path / "report")

    short = [n for n in names[2:] if sizes[names.tolist().index(n)] < 8]
    assert record["rows"][-1]["taken_whole"] == 2 + len(short)
    assert record["rows"][-1]["underfull"] == 0
    for name, size in zip(names[:2], sizes[:2], strict=True):
        assert f"<span>{name}</span><span>{size} / {size + 5} / {size}</span>" in page
    assert f"8 to {max(quota.values())} requested of each" in page


def test_the_strata_are_those_of_the_selection(annotated, tmp_path):
    page, record, _ = reported(annotated, tmp_path, per_stratum=15, stratify_by="climate")

    assert [row["strata"] for row in record["rows"]] == [3] * 6
    assert "15 requested of each of 3 strata (climate)" in page


def test_splits_and_reserves_are_counted(annotated, tmp_path):
    page, record, selection = reported(
        annotated, tmp_path, per_stratum=40, reserves=2, split="0.6,0.2,0.2"
    )
    table = pq.read_table(selection).to_pandas()
    selected = table[table["role"] == "selected"]
    counts = selected["split"].value_counts()

    assert record["splits"] == {name: int(counts[name]) for name in record["splits"]}
    assert sum(record["splits"].values()) == len(selected) == record["rows"][-1]["tiles"]
    assert f"{(table['role'] == 'reserve').sum()} reserves" in page
    assert f'<output id="map-count">{len(selected)}</output> of {len(table)} tiles' in page
    assert '<fieldset data-filter="split">' in page
    assert '<fieldset data-filter="role">' in page


def test_the_page_omits_splits_and_reserves_that_do_not_exist(annotated, tmp_path):
    page, record, _ = reported(annotated, tmp_path, per_stratum=20)

    assert "splits" not in record
    assert 'data-filter="split"' not in page
    assert 'data-filter="role"' not in page
    assert "reserves are not counted" not in page


@pytest.mark.parametrize("finished", [3, 12])
def test_a_search_that_its_budget_ended_is_reported(annotated, tmp_path, finished):
    table = annotated_table(300).slice(0, 50).append_column("role", pa.array(["selected"] * 50))
    found = {"complete": finished == 12, "searches": 12, "finished": finished, "generations": 9}
    provenance = Provenance(command="sample", options={"time_budget_s": 7.5, "per_stratum": 9})
    path = tmp_path / "s.parquet"
    write_points(table, path, provenance, more={SEARCH_KEY: json.dumps(found)})
    page, _ = read(annotated, path, tmp_path / "report")

    assert "a time budget of 7.5 s" in page
    assert ("3 of 12 searches were completed" in page) == (finished == 3)
    assert ("and ended within it." in page) == (finished == 12)


# Convergence of the search


def test_the_search_s_convergence_is_drawn_and_an_input(annotated, tmp_path):
    page, record, selection = reported(annotated, tmp_path, method="genetic", per_stratum=12)

    assert "Convergence of the search" in page
    assert (tmp_path / "report" / "convergence.png").stat().st_size > 10_000
    assert set(record["minortom"]["inputs"]) == {"annotated", "selection", "convergence"}
    # Another run of the same command differs in time and host alone.
    run = selection.with_name("selection.parquet.run.json")
    other = json.loads(run.read_text()) | {"host": "elsewhere", "started": "2030-01-01"}
    run.write_text(json.dumps(other))
    read(annotated, selection, tmp_path / "again")
    assert hashes(tmp_path / "again") == hashes(tmp_path / "report")


@pytest.mark.parametrize("damage", ["gone", "no JSON", "of another file", "of no search"])
def test_without_a_record_of_this_selection_the_chart_is_omitted(annotated, tmp_path, damage):
    selection = tmp_path / "selection.parquet"
    options = sample_options(method="genetic", per_stratum=12, generations=2)
    make_selection(annotated, selection, options=options, engine=HERE)
    run = selection.with_name("selection.parquet.run.json")
    record = json.loads(run.read_text())
    record |= {"sha256": "0" * 64} if damage == "of another file" else {}
    record |= {"convergence": {}} if damage == "of no search" else {}
    run.write_text("{" if damage == "no JSON" else json.dumps(record))
    if damage == "gone":
        run.unlink()
    page, found = read(annotated, selection, tmp_path / "report")

    assert "Convergence of the search" not in page
    assert not (tmp_path / "report" / "convergence.png").exists()
    assert set(found["minortom"]["inputs"]) == {"annotated", "selection"}
