"""Models that `csmoe train` builds from a recipe and options."""

import json

import pytest
from minortom_cli.console import run
from minortom_cli.model.app import app
from safetensors.torch import load_file

from csmoe_model.csmoe import CSMoE
from csmoe_model.nn.cost import encoder_cost
from csmoe_model.runs.folder import RunFolder
from csmoe_model.training.configuration import configure
from minortom.errors import InputError

pytest_plugins = ("training_fixtures",)
pytestmark = pytest.mark.usefixtures("small_steps")

TINY_P12 = (
    "--recipe", "tiny", "--patch-size", "12", "--image-size", "120", "--mask-ratio", "0.75",
    "--mi-temperature", "0.1", "--logit-scale", "0.1", "--steps", "3300", "--batch-size", "64",
    "--lr", "1e-3", "--grad-clip", "1", "--warmup", "0.1", "--val-every", "500",
)  # fmt: skip
"""The options from which the recipe was made; docs/evaluate.md has its results."""
TWO_STEPS = ("--steps", "2", "--batch-size", "4")


@pytest.fixture
def trained(shards, tmp_path):
    """Run `csmoe train` and return the folder of the run."""

    def train(name, *options):
        words = ["train", str(shards), "--out", str(tmp_path / name), "--no-tensorboard", *options]
        assert run(app, words) == 0
        return tmp_path / name

    return train


def test_tiny_p12_has_the_weights_that_its_options_have_byte_for_byte(trained):
    folders = [
        trained("recipe", "--recipe", "tiny-p12", *TWO_STEPS),
        trained("options", *TINY_P12, *TWO_STEPS),
        trained("other", *TINY_P12, *TWO_STEPS, "--logit-scale", "0.2"),
    ]
    recipe, options, other = ((f / "model/model.safetensors").read_bytes() for f in folders)
    assert recipe == options != other
    stored = [RunFolder(folder).stored() for folder in folders[:2]]
    assert stored[0]["train"] == stored[1]["train"]
    assert stored[0]["recipe"] == "tiny-p12"


def test_tiny_p12_has_every_field_of_its_options():
    given = dict(zip(TINY_P12[::2], TINY_P12[1::2], strict=True))
    names = {word: word.removeprefix("--").replace("-", "_") for word in given}
    values = {names[word]: float(value) for word, value in given.items() if word != "--recipe"}
    found = configure("tiny-p12", {})
    changed = configure("tiny", {k: int(v) if v == int(v) else v for k, v in values.items()})
    assert (found.model, found.train) == (changed.model, changed.train)


def test_a_dense_model_trains_and_is_a_checkpoint_with_its_cost(trained, shards, tmp_path, capsys):
    dense = ("--num-experts", "0", "--sensor-layers", "3", "--image-size", "16")
    folder = trained("dense", "--recipe", "tiny", *dense, *TWO_STEPS)
    assert not (folder / "experts.csv").exists()
    tensors = load_file(folder / "model" / "model.safetensors")
    assert len({name for name in tensors if name.endswith("feed_forward.up.weight")}) == 3 + 3 + 3
    assert not [name for name in tensors if "soft_moe" in name]

    out = tmp_path / "embeddings.parquet"
    assert run(app, ["embed", str(folder), str(shards), "--out", str(out)]) == 0
    capsys.readouterr()
    assert run(app, ["info", str(folder), "--json"]) == 0
    (s2, *_) = json.loads(capsys.readouterr().out)
    config = CSMoE.from_pretrained(folder).config
    assert s2["macs_paper"] == encoder_cost(config).macs_paper


CSMAE_HEAD = {"mi_features": "mean", "projector": "off"}
NARROW = ("--recipe", "tiny", "--image-size", "16", *TWO_STEPS)


def test_the_head_and_the_scale_of_dispatch_are_options_and_keys_of_a_file(trained, tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text("mi_features: mean\nprojector: off\n")  # YAML reads `off` as false
    head = ("--mi-features", "mean", "--projector", "off")
    plain, options = trained("plain", *NARROW), trained("options", *NARROW, *head)
    of_file = trained("file", *NARROW, "--config", str(file))
    found = (options / "model/model.safetensors").read_bytes()
    assert found == (of_file / "model/model.safetensors").read_bytes()
    without = set(load_file(plain / "model/model.safetensors"))
    without -= set(load_file(options / "model/model.safetensors"))
    assert {name.split(".")[0] for name in without} == {"projector"}
    stored = RunFolder(options).stored()["model"]
    assert CSMAE_HEAD.items() <= stored.items()
    assert stored == RunFolder(plain).stored()["model"] | CSMAE_HEAD


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--projector", "maybe"], 2, "'maybe' is not one of 'on'"),
        (["--mi-features", "patch"], 2, "'patch' is not one of 'cls'"),
        (["--logit-scale-of", "dispatch"], 1, "error: logit_scale_of dispatch needs a logit_scale"),
    ],
)
def test_a_head_or_a_scale_that_does_not_exist_is_refused(
    shards, tmp_path, capsys, words, code, message
):
    out = tmp_path / "run"
    assert run(app, ["train", str(shards), "--out", str(out), *NARROW, *words]) == code
    assert message in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("option", "there"), [("projector", "on"), ("mi_features", "cls"), ("logit_scale_of", "both")]
)
def test_another_head_than_that_of_given_weights_is_refused(finished, option, there):
    other = {"projector": "off", "mi_features": "mean", "logit_scale_of": "dispatch"}[option]
    message = f"{option} is {there} in the checkpoint and {other} in the options"
    with pytest.raises(InputError, match=message):
        configure(None, {option: other}, weights=finished)
