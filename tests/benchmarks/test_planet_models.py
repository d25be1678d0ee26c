"""The cache of the benchmarks' models: its place, and what is trained, resumed and kept."""

import importlib

import pytest
from minortom_cli.model.app import app
from typer.main import get_command


@pytest.fixture
def models(monkeypatch, tmp_path, repository):
    """The module with an empty cache, and the commands that it runs instead of their work."""
    monkeypatch.syspath_prepend(repository / "benchmarks")
    monkeypatch.setenv("MINORTOM_BENCHMARK_CACHE", str(tmp_path))
    module = importlib.import_module("_planet_models")
    commands = []
    monkeypatch.setattr(module, "run", lambda *words: commands.append([str(w) for w in words]))
    return module, commands, tmp_path / "planet"


def trained(words):
    """Return the values of the options of `csmoe train` in a command."""
    start = words.index("train") + 1
    with get_command(app).commands["train"].make_context("train", words[start:]) as context:
        return context.params


@pytest.mark.parametrize(
    ("name", "experts", "seed"),
    [("seed-2", None, 2), ("seed-7", None, 7), ("experts-8-seed-0", 8, 0)],
)
def test_missing_shards_are_written_and_a_missing_model_is_trained(models, name, experts, seed):
    module, commands, folder = models
    assert module.pretrained(name) == folder / name
    written, train = commands
    assert written[2:] == [str(folder / "pretraining"), "--cells", "1000,20,0", "--patches", "1"]
    options = trained(train)
    assert (options["num_experts"], options["seed"]) == (experts, seed)
    assert (options["recipe"], options["patch_size"], options["steps"]) == ("tiny-p12", None, None)
    assert (str(options["out"]), options["resume"]) == (str(folder / name), False)


def test_a_stopped_training_resumes_and_a_finished_one_is_kept(models):
    module, commands, folder = models
    (folder / "pretraining").mkdir(parents=True)
    (folder / "seed-0" / "checkpoints" / "last.ckpt").mkdir(parents=True)
    module.pretrained("seed-0")
    assert trained(commands.pop())["resume"]
    (folder / "seed-0" / "model").mkdir()
    assert module.pretrained("seed-0") == folder / "seed-0"
    assert not commands


def test_the_cache_lies_in_the_home_folder_by_default(models, monkeypatch, tmp_path):
    monkeypatch.delenv("MINORTOM_BENCHMARK_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    wanted = tmp_path / "home" / ".cache" / "minortom" / "benchmarks" / "planet"
    assert models[0].cache_folder() == wanted
