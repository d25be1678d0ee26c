"""A run that starts from given weights: they are the parent's, and the provenance names it."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
import yaml
from minortom_cli.console import run as run_command
from minortom_cli.model.app import app
from model_folders import write
from safetensors.torch import load_file
from training_runs import SHORT, rows, run, stop_after
from training_shards import MODEL, learnable_shards

import csmoe_model
from csmoe_model.csmoe import CSMoE
from csmoe_model.inference.export_encoder import export
from csmoe_model.training.configuration import configure
from minortom.errors import InputError, OutputExistsError
from minortom.io.provenance import sha256_of
from minortom.shards.shard_set import ShardSet

pytest_plugins = ("training_fixtures",)
pytestmark = pytest.mark.usefixtures("small_steps")
OPTIONS = {"steps": 4, "batch_size": 4, "lr": 1e-3, "workers": 1, "tensorboard": False}


@pytest.fixture(scope="module")
def parent(finished, tmp_path_factory):
    """Return a finished run named by a recipe that does not exist, on other shards."""
    folder = tmp_path_factory.mktemp("parent") / "run"
    shutil.copytree(finished, folder)
    return folder


@pytest.fixture(scope="module")
def other_shards(tmp_path_factory):
    """Return shards with other pixels, hence with other statistics."""
    return learnable_shards(tmp_path_factory.mktemp("other") / "shards", train=12, val=3)


@pytest.fixture(scope="module")
def child(parent, other_shards, tmp_path_factory):
    out = tmp_path_factory.mktemp("child") / "run"
    csmoe_model.train(other_shards, out=out, weights=parent, **OPTIONS)
    return out


def weights_of(folder):
    return load_file(folder / "model" / "model.safetensors")


def config_of(folder):
    return json.loads((folder / "model" / "config.json").read_text())


def test_the_weights_before_the_first_step_are_those_of_the_parent(parent, other_shards, tmp_path):
    # A learning rate of 1e-30 leaves every float32 weight as it is.
    run(
        other_shards, tmp_path / "run", parent=parent, config=replace(SHORT, lr=1e-30, steps=1),
    )  # fmt: skip
    found, wanted = weights_of(tmp_path / "run"), weights_of(parent)
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert torch.equal(found[name], tensor), name


def test_vectors_at_step_0_are_those_of_the_parent_for_the_same_pixels(
    parent, other_shards, tmp_path
):
    run(
        other_shards, tmp_path / "run", parent=parent, config=replace(SHORT, lr=1e-30, steps=1),
    )  # fmt: skip
    pixels = torch.full((1, 10, 16, 16), 1500.0)
    before, after = (CSMoE.from_pretrained(folder) for folder in (parent, tmp_path / "run"))
    assert torch.equal(
        *(model.encode(**model.prepare(s2=pixels))["s2"] for model in (before, after))
    )


def test_a_run_from_weights_learns_other_weights_than_one_from_the_seed(child, parent):
    assert [row["step"] for row in rows(child)][-1] == "4"
    found, wanted = weights_of(child), weights_of(parent)
    assert any(not torch.equal(found[name], tensor) for name, tensor in wanted.items())


def test_the_model_and_the_statistics_are_those_of_the_checkpoint(child, parent):
    for key in ("model", "statistics", "recipe"):
        assert config_of(child)[key] == config_of(parent)[key]


def test_provenance_and_card_name_the_parent(child, parent):
    sha256 = sha256_of(parent / "model" / "model.safetensors")
    stored = config_of(child)
    record = stored["minortom"]
    assert record["options"]["weights"] == str(parent)
    assert record["inputs"]["weights"] == sha256
    assert stored["history"] == [config_of(parent)["minortom"]]
    card = (child / "model" / "README.md").read_text()
    assert f"weights `{parent}` with the SHA-256 `{sha256}`" in card
    assert card.count("`train` of minortom") == 2


def test_licences_of_both_trainings_are_kept(other_shards, tmp_path):
    shards = ShardSet.open(other_shards)
    torch.manual_seed(0)
    write(tmp_path / "given", CSMoE(MODEL), shards.statistics)
    csmoe_model.train(other_shards, out=tmp_path / "run", weights=tmp_path / "given", **OPTIONS)
    found = config_of(tmp_path / "run")["minortom"]["licences"]
    assert set(found) == {"CC-BY-SA-4.0", *shards.provenance["licences"]}
    assert "CC-BY-SA-4.0" not in shards.provenance["licences"]


def test_the_same_command_again_is_up_to_date_and_other_weights_are_not(
    child, parent, other_shards, finished
):
    again = csmoe_model.train(other_shards, out=child, weights=parent, **OPTIONS)
    assert again.status == "up to date"
    with pytest.raises(
        OutputExistsError, match=r"weights is .* in the run and not given in the options"
    ):
        csmoe_model.train(
            other_shards, out=child, config=finished / "config.yaml", steps=4,
            **{key: value for key, value in OPTIONS.items() if key != "steps"},
        )  # fmt: skip


def test_the_configuration_file_of_such_a_run_repeats_it(child, other_shards, tmp_path):
    csmoe_model.train(
        other_shards, out=tmp_path / "run", config=child / "config.yaml", workers=1,
        tensorboard=False,
    )  # fmt: skip
    found, wanted = (
        (f / "model/model.safetensors").read_bytes() for f in (tmp_path / "run", child)
    )
    assert found == wanted


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"width": 64}, r"width is 32 in the checkpoint and 64 in the options"),
        ({"width": 64, "mask_ratio": 0.75}, r"width .*; mask_ratio is 0.5 in the checkpoint"),
        ({"recipe": "tiny"}, r"recipe is test in the checkpoint and tiny in the options"),
    ],
)
def test_an_option_that_contradicts_the_checkpoint_is_named(parent, options, expected):
    given = dict(options)
    with pytest.raises(InputError, match=expected):
        configure(given.pop("recipe", None), given, weights=parent)


def test_an_option_that_repeats_the_checkpoint_is_allowed(parent):
    found = configure("test", {"width": 32, "steps": 5}, weights=parent)
    assert found.model == MODEL
    assert found.train.steps == 5


def test_the_file_may_name_the_weights_and_an_option_takes_precedence(parent, finished, tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump({"weights": str(parent), "lr": 0.5}))
    assert configure(None, {}, file=file).parent.checkpoint == str(parent)
    assert configure(None, {}, file=file, weights=finished).parent.checkpoint == str(finished)


def test_an_encoder_without_decoders_is_refused(parent, tmp_path):
    export(parent, out=tmp_path / "encoder", sensor="both")
    with pytest.raises(InputError, match="is an encoder without the decoders"):
        configure(None, {}, weights=tmp_path / "encoder")


def test_a_checkpoint_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"does not exist; give the folder of a run"):
        configure(None, {}, weights=tmp_path / "none")


def test_a_run_does_not_replace_its_own_parent(parent, other_shards, tmp_path):
    shutil.copytree(parent, tmp_path / "run")
    with pytest.raises(InputError, match=r"--out .* contains the input .*model; give another"):
        csmoe_model.train(
            other_shards, out=tmp_path / "run", weights=tmp_path / "run" / "model", overwrite=True,
            **OPTIONS,
        )  # fmt: skip
    assert (tmp_path / "run" / "model").is_dir()


@pytest.mark.usefixtures("sigterm_raises")
def test_a_stopped_run_resumes_without_the_parent(parent, other_shards, child, tmp_path):
    given, out = tmp_path / "given", tmp_path / "run"
    shutil.copytree(parent, given)
    with pytest.raises(SystemExit):
        csmoe_model.train(other_shards, out=out, weights=given, on_step=stop_after(2), **OPTIONS)
    shutil.rmtree(given)
    csmoe_model.train(other_shards, out=out, weights=given, resume=True, workers=1,
                      tensorboard=False)  # fmt: skip
    found, wanted = ((f / "model/model.safetensors").read_bytes() for f in (out, child))
    assert found == wanted
    assert config_of(out)["history"] == config_of(child)["history"]


def test_a_run_killed_before_its_first_checkpoint_needs_the_same_parent(
    parent, other_shards, tmp_path
):
    def power_cut(*_):
        raise RuntimeError("power cut")

    given, out = tmp_path / "given", tmp_path / "run"
    shutil.copytree(parent, given)
    with pytest.raises(RuntimeError, match="power cut"):
        csmoe_model.train(other_shards, out=out, weights=given, on_step=power_cut, **OPTIONS)
    model = CSMoE.from_pretrained(given)
    with torch.no_grad():
        next(model.parameters()).add_(1)
    shutil.rmtree(given)
    model.save_pretrained(given)
    with pytest.raises(InputError, match=r"must hold the weights that the run began with"):
        csmoe_model.train(other_shards, out=out, resume=True, workers=1, tensorboard=False)
    shutil.rmtree(given)
    shutil.copytree(parent, given)
    result = csmoe_model.train(other_shards, out=out, resume=True, workers=1, tensorboard=False)
    assert result.steps == 4


def test_the_command_takes_weights_and_refuses_others_in_one_line(
    parent, other_shards, tmp_path, capsys
):
    words = ["train", str(other_shards), "--out", str(tmp_path / "run"), "--workers", "1"]
    words += ["--weights", str(parent), "--steps", "2", "--batch-size", "4", "--no-tensorboard"]
    assert run_command(app, [*words, "--width", "64"]) == 1
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert "width is 32 in the checkpoint and 64 in the options" in error[0]
    assert not (tmp_path / "run").exists()
    assert run_command(app, [*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 2
