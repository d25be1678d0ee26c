"""Models from and to the hub, with a local server in place of the hub."""

import json
import re

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from stored_vectors import stored_vectors
from training_shards import MODEL
from web_server import COMMIT

from csmoe_model.checkpoints.hub import find_checkpoint
from csmoe_model.csmoe import CSMoE
from csmoe_model.inference.embed import embed
from minortom.errors import InputError

FILES = {"README.md", "config.json", "model.safetensors"}


@pytest.fixture
def published(hub, folder):
    CSMoE.from_pretrained(folder).push_to_hub("someone/tiny", token="-")
    return hub


@pytest.mark.usefixtures("published")
def test_what_was_pushed_is_loaded(folder):
    here, there = CSMoE.from_pretrained(folder), CSMoE.from_pretrained("someone/tiny")

    assert there.config == here.config
    assert there.origin == here.origin
    for name, tensor in here.state_dict().items():
        assert torch.equal(there.state_dict()[name], tensor), name


def test_three_files_are_published_and_the_weights_are_those_of_the_folder(published, folder):
    there = published.folder / "models" / "someone" / "tiny"

    assert {path.name for path in there.iterdir()} == FILES
    for name in FILES - {"README.md"}:
        assert (there / name).read_bytes() == (folder / name).read_bytes()


def test_pushing_returns_the_url_of_the_commit(hub, folder):
    url = CSMoE.from_pretrained(folder).push_to_hub("someone/tiny", token="-")

    assert url == f"{hub.url}/someone/tiny/commit/{COMMIT}"


def test_the_published_card_loads_and_encodes_as_it_says(published):
    card = (published.folder / "models" / "someone" / "tiny" / "README.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    names = {"s2": torch.full((2, 10, 16, 16), 900.0), "s1": torch.full((2, 2, 16, 16), -12.0)}

    exec(example, names)

    assert 'from_pretrained("someone/tiny")' in example
    assert names["vectors"]["s1"].shape == (2, MODEL.width)
    assert names["maps_s2"][0].shape == (2, MODEL.width, 4, 4)


def test_the_weights_are_of_the_commit_of_the_configuration(published):
    CSMoE.from_pretrained("someone/tiny", revision="main")

    files = [request.path for request in published.requests if request.method == "GET"][-2:]
    assert files == [
        "/someone/tiny/resolve/main/config.json",
        f"/someone/tiny/resolve/{COMMIT}/model.safetensors",
    ]


def test_files_are_fetched_once(published):
    CSMoE.from_pretrained("someone/tiny")
    published.requests.clear()

    CSMoE.from_pretrained("someone/tiny")
    CSMoE.from_pretrained("someone/tiny", local_files_only=True)

    assert {request.method for request in published.requests} == {"HEAD"}


@pytest.mark.usefixtures("published")
def test_a_local_folder_takes_precedence_over_a_repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "someone" / "tiny").mkdir(parents=True)

    with pytest.raises(InputError, match="someone/tiny does not hold model.safetensors"):
        CSMoE.from_pretrained("someone/tiny")


def refused(call, message):
    """Check that a call raises an InputError of one line with this message."""
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("hub")
def test_a_missing_repository_may_be_a_mistyped_folder():
    refused(
        lambda: CSMoE.from_pretrained("runs/frist"),
        "runs/frist is neither a local folder nor a repository of the hub that you may read",
    )


def test_a_mistyped_run_is_not_requested_from_the_hub(hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "first").mkdir(parents=True)

    message = "runs/frist does not exist; give the folder of a run"
    refused(lambda: CSMoE.from_pretrained("runs/frist"), message)
    assert hub.requests == []


def test_a_hub_that_does_not_answer_is_one_line_and_nothing_else(hub, monkeypatch, capfd):
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")

    refused(lambda: CSMoE.from_pretrained("someone/tiny"), "does not answer; check the network")

    assert hub.requests == []
    assert capfd.readouterr() == ("", "")


def test_a_revision_that_is_not_there_is_named(published):
    path = "/someone/tiny/resolve/v2/config.json"
    published.fail(path, status=404, headers={"X-Error-Code": "RevisionNotFound"})

    refused(
        lambda: CSMoE.from_pretrained("someone/tiny", revision="v2"),
        "someone/tiny has no revision v2",
    )


def test_a_gated_repository_says_to_ask(published):
    path = "/someone/tiny/resolve/main/config.json"
    published.fail(path, status=403, headers={"X-Error-Code": "GatedRepo"})

    refused(lambda: CSMoE.from_pretrained("someone/tiny"), "someone/tiny is gated; request access")


def test_a_pickle_on_the_hub_is_not_even_fetched(hub):
    there = hub.folder / "models" / "someone" / "old"
    there.mkdir(parents=True)
    (there / "config.json").write_text("{}")
    (there / "pytorch_model.bin").write_bytes(b"\x80")

    refused(lambda: CSMoE.from_pretrained("someone/old"), "are never unpickled")

    assert not [request for request in hub.requests if request.path.endswith(".bin")]


@pytest.mark.usefixtures("hub")
def test_without_network_only_the_cache_is_used():
    refused(
        lambda: CSMoE.from_pretrained("someone/tiny", local_files_only=True),
        "is not in the cache of the hub",
    )


@pytest.mark.usefixtures("hub")
def test_without_network_nothing_is_pushed(folder, monkeypatch):
    model = CSMoE.from_pretrained(folder)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="HF_HUB_OFFLINE"):
        model.push_to_hub("someone/model")


def test_damaged_weights_from_the_hub_are_refused(published):
    weights = published.folder / "models" / "someone" / "tiny" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])

    refused(lambda: CSMoE.from_pretrained("someone/tiny"), "does not hold the weights")


def test_a_connection_that_fails_repeatedly_is_one_line(published, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    published.fail(f"/someone/tiny/resolve/{COMMIT}/model.safetensors", cut_after=1000)

    refused(
        lambda: CSMoE.from_pretrained("someone/tiny"),
        r"about someone/tiny failed \(RemoteProtocolError\); try again later",
    )


@pytest.mark.parametrize("name", ["tiny", "a/b/c", "some one/tiny", "datasets/x/y"])
def test_an_invalid_repository_name_is_refused_before_the_network(hub, folder, name):
    refused(lambda: CSMoE.from_pretrained(folder).push_to_hub(name), "must have the form user/name")
    assert hub.requests == []


@pytest.mark.usefixtures("hub")
def test_a_name_that_the_hub_does_not_allow_is_one_line(folder):
    refused(
        lambda: CSMoE.from_pretrained(folder).push_to_hub("someone/ti--ny"),
        "is not a valid repository name: .*--",
    )


def test_a_token_that_may_not_write_is_one_line(hub, folder):
    hub.fail("/api/models/someone/tiny/commit/main", status=403)

    refused(
        lambda: CSMoE.from_pretrained(folder).push_to_hub("someone/tiny", token="hf_secretsecret"),
        r"the hub about someone/tiny failed \(HTTP 403\); run `hf auth login`",
    )


def test_no_token_reaches_a_message(hub, folder):
    hub.fail("/api/repos/create", status=401)

    with pytest.raises(InputError) as caught:
        CSMoE.from_pretrained(folder).push_to_hub("someone/tiny", token="hf_secretsecret")

    assert "secret" not in str(caught.value)


def test_a_model_of_unknown_origin_is_not_published(hub):
    refused(lambda: CSMoE(MODEL).push_to_hub("someone/tiny"), "saving needs the statistics")
    assert hub.requests == []


def test_a_path_is_never_requested_from_the_hub(hub, tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        find_checkpoint(tmp_path / "none")
    assert hub.requests == []


@pytest.mark.usefixtures("published")
def test_embedding_takes_a_repository(folder, tmp_path):
    shards = folder.parent / "shards"
    embed("someone/tiny", shards, out=tmp_path / "hub.parquet")
    embed(folder, shards, out=tmp_path / "folder.parquet")

    np.testing.assert_array_equal(
        stored_vectors(tmp_path / "hub.parquet", "s2"),
        stored_vectors(tmp_path / "folder.parquet", "s2"),
    )


def test_weights_in_several_files_are_fetched_from_one_commit(published, folder):
    there = published.folder / "models" / "someone" / "tiny"
    tensors = load_file(there / "model.safetensors")
    (there / "model.safetensors").unlink()
    where = {}
    for number, name in enumerate(sorted(tensors)):
        where[name] = f"model-0000{number % 2 + 1}-of-00002.safetensors"
    for file in set(where.values()):
        save_file({name: tensors[name] for name in where if where[name] == file}, there / file)
    (there / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))

    model = CSMoE.from_pretrained("someone/tiny")

    for name, tensor in CSMoE.from_pretrained(folder).state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor), name
    fetched = {r.path for r in published.requests if "safetensors" in r.path and COMMIT in r.path}
    assert {path.rpartition("/")[2] for path in fetched} >= {*where.values()}
