"""`minortom publish` as a user types it."""

import hashlib
import json

import numpy as np
import pyarrow as pa
import pytest
from hub_server import HubHandler
from minortom_cli.console import run
from minortom_cli.curate.app import app
from points_files import write_points
from shard_maker import made_up_metadata, made_up_tensors
from web_server import COMMIT, serving

from minortom.grid.cells import cells_at
from minortom.io.provenance import Provenance
from minortom.shards.writer import write_shards

REPO = "someone/minor-tom"

# Of huggingface_hub about its own client, where it sends a large file.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


def write_set(out, *, selection):
    """Write 12 patches whose provenance has the hash of a selection."""
    provenance = Provenance(
        command="export", options={"patch_size": 8}, seed=3, inputs={"selection": selection},
        licences=("Major TOM Core: CC-BY-SA-4.0",),
    )  # fmt: skip
    write_shards(
        out, tensors=made_up_tensors(12, 8), metadata=made_up_metadata(12), provenance=provenance
    )
    return out


@pytest.fixture
def folder(tmp_path):
    return write_set(tmp_path / "shards", selection="5" * 64)


@pytest.fixture
def report(tmp_path):
    """The report on a selection of 12 of 60 tiles in two strata."""
    annotated, selection = tmp_path / "annotated.parquet", tmp_path / "selection.parquet"
    climates = ["Cfb", "BWh"] * 30
    lat_deg, lon_deg = np.arange(60) / 2, np.arange(60) / 3
    table = {
        "grid_cell": cells_at(lon_deg, lat_deg).names(), "lat": lat_deg, "lon": lon_deg,
        "climate": climates, "landcover": ["cropland"] * 60, "climate_code": [1] * 60,
        "landcover_code": [10] * 60, "stratum": [f"{name}/cropland" for name in climates],
    }  # fmt: skip
    write_points(pa.table(table), annotated, Provenance(command="annotate", options={}))
    commands = (
        ["sample", annotated, "--out", selection, "--tiles", 12, "--method", "random"],
        ["report", selection, "--annotated", annotated, "--out", tmp_path / "report", "--draws", 2],
    )
    for command in commands:
        assert run(app, list(map(str, command))) == 0
    return tmp_path / "report"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty hub, and a user who is logged in."""
    (tmp_path / "web").mkdir()
    with serving(tmp_path / "web", handler=HubHandler) as server:
        server.stand_for_the_hub(monkeypatch, tmp_path / "home")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", "hf_secretsecret")
        yield server


def publish(folder, *options):
    return run(app, ["publish", str(folder), "--repo", REPO, *map(str, options)])


def test_publishing_prints_the_commit_and_again_up_to_date(folder, hub, capsys):
    assert publish(folder) == 0
    out, err = capsys.readouterr()
    assert f"{hub.url}/datasets/{REPO}/commit/{COMMIT}" in out
    assert err == ""
    assert publish(folder) == 0
    assert "up to date" in capsys.readouterr().out


def test_json_is_the_result_alone(folder, hub, capsys):
    assert publish(folder, "--private", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["status"], found["files_sent"], found["patches"]) == ("published", 5, 12)
    there = hub.folder / "datasets" / REPO
    assert json.loads((there.parent / f".{there.name}.json").read_text())["visibility"] == "private"


def test_a_report_fills_the_card_s_table(report, hub, tmp_path):
    selection = hashlib.sha256((tmp_path / "selection.parquet").read_bytes()).hexdigest()
    shards = write_set(tmp_path / "shards", selection=selection)
    assert publish(shards, "--report", report) == 0
    card = (hub.folder / "datasets" / REPO / "README.md").read_text()
    assert f"| selection | `{selection}` |" in card
    assert "| patch_size | 8 |" in card
    rows = json.loads((report / "metrics.json").read_text())["rows"]
    assert [row["set"] for row in rows] == [
        "full", "random", "farthest-point", "grts", "k-means", "selection",
    ]  # fmt: skip
    names = ("tiles", "strata", "underfull", "nn_km", "within_km", "cover_km", "balance")
    head = card.index("| set | tiles | strata | strata with too few tiles | to the ")
    for row, line in zip(rows, card[head:].splitlines()[2:8], strict=True):
        name, *cells = line.strip("| ").split(" | ")
        assert name == row["set"]
        for cell, key in zip(cells, names, strict=True):
            if row.get(key) is None:
                assert cell == "–"
            else:
                assert float(cell.replace(",", "")) == pytest.approx(row[key], rel=1e-3)


def test_a_revision_is_the_branch_that_is_committed_to(folder, hub):
    (hub.folder / "datasets" / REPO).mkdir(parents=True)
    assert publish(folder, "--revision", "v2") == 0
    assert hub.asked(f"/api/datasets/{REPO}/commit/v2")


def test_another_set_needs_overwrite(folder, hub, capsys):
    there = hub.folder / "datasets" / REPO
    there.mkdir(parents=True)
    (there / "data.csv").write_text("1")
    assert publish(folder) == 1
    assert capsys.readouterr().err.startswith(f"error: {REPO} exists and has other content")
    assert publish(folder, "--overwrite") == 0
    assert (there / "data.csv").read_text() == "1"


def test_a_preview_lies_in_a_folder(folder, hub, tmp_path, capsys):
    assert publish(folder, "--preview", tmp_path / "card") == 0
    assert "nothing" in capsys.readouterr().out
    assert f'load_dataset("{REPO}"' in (tmp_path / "card" / "README.md").read_text()
    assert hub.requests == []


@pytest.mark.usefixtures("hub")
def test_an_invalid_repository_name_is_one_line(folder, capsys):
    assert run(app, ["publish", str(folder), "--repo", "minor-tom"]) == 1
    assert capsys.readouterr().err == (
        "error: the repository must have the form user/name, found 'minor-tom'\n"
    )
