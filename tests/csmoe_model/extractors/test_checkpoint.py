"""Loading of checkpoints: saved weights are loaded again, and nothing is unpickled."""

import errno
import json
import pickle
import shutil

import pytest
import torch
from model_folders import write
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from training_shards import MODEL, learnable_shards

from csmoe_model.csmoe import CSMoE
from csmoe_model.extractors.checkpoint import load_model
from minortom.errors import InputError
from minortom.shards.shard_set import ShardSet

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Return a model and its folder."""
    folder = tmp_path_factory.mktemp("checkpoints")
    statistics = ShardSet.open(learnable_shards(folder / "shards", train=4, val=0)).statistics
    torch.manual_seed(0)
    model = CSMoE(MODEL)
    write(folder / "model", model, statistics)
    return model, statistics, folder / "model"


@pytest.fixture
def copy(saved, tmp_path):
    """Return a copy of the folder that a test may damage."""
    return shutil.copytree(saved[2], tmp_path / "model")


def test_a_saved_model_is_loaded_again(saved):
    model, statistics, folder = saved
    trained = load_model(folder, device=CPU)
    assert trained.name == "tiny"
    assert trained.licences == ("CC-BY-SA-4.0",)
    assert trained.model.config == MODEL
    for name, tensor in model.state_dict().items():
        assert torch.equal(trained.model.state_dict()[name], tensor), name
    for column, of_column in statistics.items():
        assert trained.normalise.statistics[column]["mean"] == list(of_column["mean"])
    assert not trained.model.training


def test_other_tools_read_the_weights(saved):
    model, _, folder = saved
    weights = load_file(folder / "model.safetensors")
    assert sum(tensor.numel() for tensor in weights.values()) == sum(
        weight.numel() for weight in model.parameters()
    )


def test_the_same_model_gives_the_same_bytes(saved, tmp_path):
    model, statistics, folder = saved
    write(tmp_path / "again", model, statistics)
    for name in ("model.safetensors", "config.json", "README.md"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_a_full_disk_is_an_error_of_the_disk(saved, tmp_path, monkeypatch):
    def full(*_, **__):
        # The words of safetensors 0.8 where a file system is full.
        raise SafetensorError(
            "Error while serializing: I/O error: No space left on device (os error 28)"
        )

    model, statistics, _ = saved
    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(OSError, match="No space left") as refused:
        write(tmp_path / "model", model, statistics)
    assert refused.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


def test_a_run_folder_is_a_checkpoint_too(saved, tmp_path):
    shutil.copytree(saved[2], tmp_path / "run" / "model")
    assert load_model(tmp_path / "run", device=CPU).model.config == MODEL


def test_the_card_has_the_size_the_licence_and_the_source(saved):
    card = (saved[2] / "README.md").read_text()
    millions = sum(weight.numel() for weight in saved[0].parameters()) / 1e6
    for wanted in (f"{millions:.2f} M parameters", "- CC-BY-SA-4.0", "ab" * 32, "`tiny`"):
        assert wanted in card


def test_a_pickle_is_refused_unread(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("the pickle was opened",))

    path = tmp_path / "model.ckpt"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(InputError, match="must be a folder, found the file .* never unpickled"):
        load_model(path, device=CPU)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _: None, "does not exist"),
        (lambda path: path.mkdir(), "does not hold model.safetensors; give the folder of a run"),
        (
            lambda path: (path.mkdir(), (path / "config.yaml").write_text("")),
            "is not finished and has no weights yet.*--resume",
        ),
    ],
)
def test_another_folder_is_refused(tmp_path, make, message):
    make(tmp_path / "run")
    with pytest.raises(InputError, match=message):
        load_model(tmp_path / "run", device=CPU)


def test_truncated_weights_are_refused(copy):
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="does not hold the weights of its config.json"):
        load_model(copy, device=CPU)


def test_weights_of_another_model_are_refused(copy):
    path = copy / "model.safetensors"
    weights = load_file(path)
    weights.pop(next(iter(weights)))
    save_file(weights, path)
    with pytest.raises(InputError, match="does not hold the weights of its config.json"):
        load_model(copy, device=CPU)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda config: config.pop("statistics"), "config.json is damaged"),
        (lambda config: config.pop("minortom"), "config.json is damaged"),
        (lambda config: config.update(statistics=[]), "statistics must be keys and values"),
        (
            lambda config: config["statistics"]["s1"].update(mean="x"),
            "statistics.s1.mean must be a list, found 'x'",
        ),
        (lambda config: config.update(recipe=3), "recipe must be text, found 3"),
        (lambda config: config.update(model=[1]), "model must be keys and values"),
        (lambda config: config.update(encoder_of="s1"), "encoder_of must be a list"),
        (lambda config: config.update(history={}), "history must be a list"),
        (lambda config: config["minortom"].update(licences="x"), "licences must be a list"),
        (lambda config: config["model"].update(widht=3), "unknown model option widht"),
        (lambda config: config["model"].update(width=64), "does not hold the weights"),
    ],
)
def test_a_damaged_configuration_is_refused(copy, change, message):
    path = copy / "config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))
    with pytest.raises(InputError, match=message):
        load_model(copy, device=CPU)


@pytest.mark.parametrize("text", ["[]", "{", "\xff", "[" * 50_000])
def test_a_configuration_that_is_not_a_json_object_is_refused(copy, text):
    (copy / "config.json").write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=r"config\.json"):
        load_model(copy, device=CPU)
