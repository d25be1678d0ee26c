"""Models that `csmoe train` builds from a recipe and options."""

import pytest
from minortom_cli.console import run
from minortom_cli.model.app import app

from csmoe_model.runs.folder import RunFolder
from csmoe_model.training.configuration import configure

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
