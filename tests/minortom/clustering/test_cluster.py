"""The command as a whole: outputs, repeatability, resume, given centroids."""

import hashlib
import json
from collections import Counter

import geopandas
import numpy as np
import pyarrow.parquet as pq
import pytest
from embedding_maker import cell_names, clumped, write_embeddings, write_fragments
from minortom_cli.console import run
from minortom_cli.main import app

import minortom
from minortom.clustering import vectors as vectors_module
from minortom.errors import OutputExistsError
from minortom.io.column_metadata import class_columns_in
from minortom.io.up_to_date import stored_provenance

OUTPUTS = ("clusters.parquet", "clusters.centroids.parquet", "clusters.html")


@pytest.fixture(scope="module")
def cells():
    return cell_names(400)


@pytest.fixture(scope="module")
def clumps():
    return clumped(400)


@pytest.fixture
def embeddings(tmp_path, cells, clumps):
    return write_fragments(tmp_path / "embeddings.parquet", cells, clumps[0])


def contents(folder):
    return {name: (folder / name).read_bytes() for name in OUTPUTS}


def in_folder(tmp_path, name):
    (tmp_path / name).mkdir()
    return tmp_path / name / "clusters.parquet"


def clusters_in(path, column="cluster_1"):
    table = pq.read_table(path)
    return dict(zip(table["grid_cell"].to_pylist(), table[column].to_pylist(), strict=True))


def test_clumps_of_embeddings_are_clusters_and_the_largest_is_number_0(
    embeddings, cells, clumps, tmp_path
):
    result = minortom.cluster(embeddings, k=5, out=tmp_path / "clusters.parquet")

    found = clusters_in(result.out)
    by_size = [clump for clump, _ in Counter(clumps[1].tolist()).most_common()]
    assert found == {cell: by_size.index(c) for cell, c in zip(cells, clumps[1], strict=True)}
    assert (result.cells, result.clusters, result.empty) == (400, [5], [0])
    assert result.table.column_names == [
        "grid_cell", "lat", "lon", "cluster_1", "bbox", "geometry",
    ]  # fmt: skip
    frame = geopandas.read_parquet(result.out)
    np.testing.assert_allclose(frame.geometry.x, frame.lon)


def test_numpy_numbers_count_as_python_s(embeddings, tmp_path):
    out, three = tmp_path / "clusters.parquet", np.int64(3)
    minortom.cluster(embeddings, k=5, iterations=three, seed=three, out=out)
    again = minortom.cluster(embeddings, k=5, iterations=3, seed=3, out=out)
    assert again.status == "up to date"


def test_the_inertia_is_the_sum_of_squared_distances_to_the_stored_centres(
    embeddings, clumps, tmp_path
):
    out = tmp_path / "clusters.parquet"
    result = minortom.cluster(embeddings, k=20, metric="euclidean", out=out)

    centres = np.stack(pq.read_table(result.centroids)["vector"].to_numpy())
    distances = np.square(clumps[0][:, None].astype(float) - centres[None]).sum(axis=2)
    assert result.inertia == pytest.approx(distances.min(axis=1).sum(), rel=1e-4)


def test_the_file_says_that_its_whole_numbers_name_classes(embeddings, tmp_path):
    out = tmp_path / "clusters.parquet"
    minortom.cluster(embeddings, k="20,4", out=out)

    assert class_columns_in(pq.read_schema(out)) == ("cluster_1", "cluster_2")


@pytest.mark.parametrize(
    "more", [{}, {"metric": "euclidean", "rows": "vote"}, {"vectors_per_cluster": 10}]
)
def test_two_runs_and_any_number_of_workers_give_the_same_bytes(
    embeddings, tmp_path, more, monkeypatch
):
    monkeypatch.setattr(vectors_module, "BLOCK_ROWS", 64)
    for name, workers in {"one": 1, "again": 1, "two": 2}.items():
        out = in_folder(tmp_path, name)
        minortom.cluster(embeddings, k=(20, 4), out=out, workers=workers, seed=3, **more)

    one, again, two = (contents(tmp_path / name) for name in ("one", "again", "two"))
    assert one == again
    assert one == two


def test_another_seed_gives_other_centres(embeddings, tmp_path):
    results = [
        minortom.cluster(embeddings, k=20, seed=seed, out=tmp_path / f"{seed}.parquet")
        for seed in (0, 1)
    ]
    centres = [pq.read_table(result.centroids)["vector"].to_pylist() for result in results]
    assert sorted(map(tuple, centres[0])) != sorted(map(tuple, centres[1]))


def interrupted(calls):
    """Return a callback that interrupts at the end of a number of calls."""
    left = iter(range(calls))

    def on_progress(*_):
        if next(left, None) is None:
            raise KeyboardInterrupt

    return on_progress


@pytest.mark.parametrize("calls", [0, 1, 7, 12, 25])
def test_an_interrupted_run_resumes_with_the_same_bytes(embeddings, tmp_path, calls, monkeypatch):
    monkeypatch.setattr(vectors_module, "BLOCK_ROWS", 100)
    arguments = {"k": (40, 4), "metric": "euclidean", "workers": 1}
    minortom.cluster(embeddings, out=in_folder(tmp_path, "whole"), **arguments)
    out = in_folder(tmp_path, "part")

    with pytest.raises(KeyboardInterrupt):
        minortom.cluster(embeddings, out=out, on_progress=interrupted(calls), **arguments)
    work = out.with_name("clusters.parquet.partial")
    assert not out.exists()
    assert work.exists() == (calls > 0)  # the first call follows the only batch of rows
    minortom.cluster(embeddings, out=out, **arguments)

    assert contents(tmp_path / "part") == contents(tmp_path / "whole")
    assert not work.exists()


def test_unfinished_work_of_other_options_is_not_resumed(embeddings, tmp_path):
    out = tmp_path / "clusters.parquet"
    with pytest.raises(KeyboardInterrupt):
        minortom.cluster(embeddings, k=40, out=out, on_progress=interrupted(9))

    with pytest.raises(OutputExistsError, match="unfinished work with other inputs or options"):
        minortom.cluster(embeddings, k=5, out=out)
    assert minortom.cluster(embeddings, k=5, out=out, overwrite=True).status == "written"


def test_an_output_with_the_same_provenance_is_up_to_date(embeddings, tmp_path):
    out = tmp_path / "clusters.parquet"
    first = minortom.cluster(embeddings, k=(20, 4), out=out)
    again = minortom.cluster(embeddings, k=(20, 4), out=out, workers=1)

    assert (again.status, again.cells, again.clusters) == ("up to date", 400, [20, 4])
    assert set(again.as_dict()) < set(first.as_dict())
    with pytest.raises(OutputExistsError, match="other inputs or options"):
        minortom.cluster(embeddings, k=(20, 5), out=out)
    for name in OUTPUTS:
        assert stored_provenance(tmp_path / name) == stored_provenance(out)


@pytest.mark.parametrize("name", OUTPUTS[1:])
def test_a_missing_file_beside_the_output_is_made_again(embeddings, tmp_path, name):
    out = tmp_path / "clusters.parquet"
    minortom.cluster(embeddings, k=20, out=out)
    before = contents(tmp_path)
    (tmp_path / name).unlink()

    assert minortom.cluster(embeddings, k=20, out=out).status == "written"
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", OUTPUTS[1:])
def test_a_file_of_others_beside_the_output_is_kept(embeddings, tmp_path, name):
    (tmp_path / name).write_text("mine")
    out = tmp_path / "clusters.parquet"

    with pytest.raises(OutputExistsError, match=name):
        minortom.cluster(embeddings, k=20, out=out)
    assert (tmp_path / name).read_text() == "mine"
    assert not out.exists()


def test_new_embeddings_are_assigned_to_given_clusters(embeddings, cells, clumps, tmp_path):
    made = minortom.cluster(embeddings, k=(5, 2), metric="euclidean", out=tmp_path / "a.parquet")
    moved = clumps[0] + np.random.default_rng(1).normal(size=clumps[0].shape) * 0.01
    others = write_fragments(tmp_path / "others.parquet", cells[:50], moved[:50])

    given = minortom.cluster(others, centroids=made.centroids, out=tmp_path / "b.parquet")

    for column in ("cluster_1", "cluster_2"):
        expected = {cell: clusters_in(made.out, column)[cell] for cell in cells[:50]}
        assert clusters_in(given.out, column) == expected
    assert (given.clusters, given.iterations, given.centroids) == ([5, 2], None, made.centroids)
    assert not (tmp_path / "b.centroids.parquet").exists()
    inputs = stored_provenance(given.out)["inputs"]
    assert inputs["centroids"] == hashlib.sha256(made.centroids.read_bytes()).hexdigest()
    again = minortom.cluster(others, centroids=made.centroids, out=tmp_path / "b.parquet")
    assert again.status == "up to date"


def test_given_clusters_keep_their_sensor_and_rule_unless_others_are_given(tmp_path, cells):
    values = {name: clumped(400, seed=i)[0] for i, name in enumerate(("s2", "both"))}
    path = write_embeddings(tmp_path / "e.parquet", cells, values)
    made = minortom.cluster(path, k=5, sensor="s2", rows="vote", out=tmp_path / "a.parquet")

    def options_of(**more):
        out = tmp_path / "b.parquet"
        minortom.cluster(path, centroids=made.centroids, out=out, overwrite=True, **more)
        options = stored_provenance(out)["options"]
        return options["sensor"], options["rows"]

    assert options_of() == ("s2", "vote")
    assert options_of(sensor="both", rows="mean") == ("both", "mean")


def test_the_outputs_inherit_model_and_licences(tmp_path, cells, clumps):
    path = write_embeddings(tmp_path / "e.parquet", cells, {"s2": clumps[0]}, licences=("CC <1>",))
    result = minortom.cluster(path, k=5, out=tmp_path / "clusters.parquet")

    record = stored_provenance(result.out)
    assert record["licences"] == ["CC <1>"]
    assert record["options"]["model"] == "a" * 64
    page = result.page.read_text()
    assert "CC &lt;1&gt;" in page
    assert "<1>" not in page


def test_progress_reaches_its_end(embeddings, tmp_path):
    seen = []
    minortom.cluster(
        embeddings, k=20, out=tmp_path / "clusters.parquet",
        on_progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip

    assert seen == sorted(seen)
    assert len({total for _, total in seen}) == 1
    assert seen[-1][0] == seen[-1][1]


def test_the_command_prints_the_result(embeddings, tmp_path, capsys):
    out = tmp_path / "clusters.parquet"
    words = [
        "cluster", str(embeddings), "--k", "20,4", "--out", str(out), "--metric", "euclidean",
        "--rows", "vote", "--iterations", "3", "--vectors-per-cluster", "10", "--seed", "1",
        "--workers", "1", "--json",
    ]  # fmt: skip
    assert run(app, words) == 0

    printed = json.loads(capsys.readouterr().out)
    assert (printed["clusters"], printed["embeddings"]) == ([20, 4], 400)
    assert printed["iterations"] <= 3
    assert stored_provenance(out)["options"] == {
        "k": [20, 4], "metric": "euclidean", "rows": "vote", "iterations": 3,
        "vectors_per_cluster": 10, "sensor": None, "model": None, "width": 8,
    }  # fmt: skip
