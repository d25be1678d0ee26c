"""`minortom publish` as a user types it."""

import json

import pytest
from hub_server import HubHandler
from minortom_cli.console import run
from minortom_cli.curate import app
from shard_maker import made_up_metadata, made_up_tensors
from web_server import COMMIT, serving

from minortom.outputs import write_json
from minortom.provenance import Provenance
from minortom.shard_writer import write_shards

REPO = "someone/minor-tom"
SELECTION = "5" * 64

# Of huggingface_hub about its own client, where it sends a large file.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def folder(tmp_path):
    provenance = Provenance(
        command="export", options={"patch_size": 8}, seed=3, inputs={"selection": SELECTION},
        licences=("Major TOM Core: CC-BY-SA-4.0",),
    )  # fmt: skip
    write_shards(
        tmp_path / "shards", tensors=made_up_tensors(12, 8), metadata=made_up_metadata(12),
        provenance=provenance,
    )  # fmt: skip
    return tmp_path / "shards"


@pytest.fixture
def report(tmp_path):
    """A report of the selection that the shards say they were made from."""
    rows = [{"set": "full", "tiles": 6000, "nn_km": 27.84}, {"set": "selection", "tiles": 1200}]
    record = {"inputs": {"selection": SELECTION}}
    (tmp_path / "report").mkdir()
    write_json(tmp_path / "report" / "metrics.json", {"rows": rows, "minortom": record})
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


def test_json_is_the_result_alone_and_a_report_fills_the_card_s_table(folder, report, hub, capsys):
    assert publish(folder, "--report", report, "--private", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["status"], found["files_sent"], found["patches"]) == ("published", 5, 12)
    there = hub.folder / "datasets" / REPO
    card = (there / "README.md").read_text()
    assert "| full | 6,000 | – | – | 27.84 | – | – | – |" in card
    assert f"| selection | `{SELECTION}` |" in card
    assert "| patch_size | 8 |" in card
    assert json.loads((there.parent / f".{there.name}.json").read_text())["visibility"] == "private"


def test_a_revision_is_the_branch_that_is_committed_to(folder, hub):
    (hub.folder / "datasets" / REPO).mkdir(parents=True)
    assert publish(folder, "--revision", "v2") == 0
    assert hub.asked(f"/api/datasets/{REPO}/commit/v2")


def test_another_set_needs_overwrite(folder, hub, capsys):
    there = hub.folder / "datasets" / REPO
    there.mkdir(parents=True)
    (there / "data.csv").write_text("1")
    assert publish(folder) == 1
    assert capsys.readouterr().err.startswith(f"error: {REPO} exists and holds something else")
    assert publish(folder, "--overwrite") == 0
    assert (there / "data.csv").read_text() == "1"


def test_a_preview_lies_in_a_folder(folder, hub, tmp_path, capsys):
    assert publish(folder, "--preview", tmp_path / "card") == 0
    assert "nothing" in capsys.readouterr().out
    assert f'load_dataset("{REPO}"' in (tmp_path / "card" / "README.md").read_text()
    assert hub.requests == []


@pytest.mark.usefixtures("hub")
def test_a_name_that_is_no_repository_is_one_line(folder, capsys):
    assert run(app, ["publish", str(folder), "--repo", "minor-tom"]) == 1
    assert capsys.readouterr().err == (
        "error: 'minor-tom' is no repository of the hub; wanted user/name\n"
    )
