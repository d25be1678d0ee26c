"""Configuration files, and the precedence of options, file and recipe."""

import pytest
import yaml

from csmoe_model.training.config import train_recipe
from csmoe_model.training.configuration import configure
from minortom.errors import InputError


@pytest.fixture
def written(tmp_path):
    """Write a configuration file."""

    def write(text):
        file = tmp_path / "config.yaml"
        file.write_text(text if isinstance(text, str) else yaml.safe_dump(text))
        return file

    return write


def test_an_option_overrides_the_file_and_the_file_the_recipe(written):
    file = written({"recipe": "tiny", "lr": 0.5, "batch_size": 3})
    found = configure(None, {"lr": 0.25}, file=file)
    assert found.recipe == "tiny"
    assert (found.train.lr, found.train.batch_size) == (0.25, 3)
    assert found.train.grad_clip == train_recipe("tiny").grad_clip


def test_fields_may_be_at_the_top_level_or_below_their_part(written):
    flat = configure(None, {}, file=written({"recipe": "tiny", "lr": 0.5, "mask_ratio": 0.75}))
    nested = {"recipe": "tiny", "train": {"lr": 0.5}, "model": {"mask_ratio": 0.75}}
    assert configure(None, {}, file=written(nested)) == flat


def test_a_length_given_as_an_option_replaces_that_of_the_file(written):
    file = written({"recipe": "tiny", "epochs": 5})
    assert configure(None, {"steps": 7}, file=file).train.steps == 7
    assert configure(None, {"steps": 7}, file=file).train.epochs is None


def test_only_the_combination_of_options_and_file_is_checked(written):
    file = written({"recipe": "tiny", "patch_size": 5})  # does not divide tiny's 56
    assert configure(None, {"image_size": 60}, file=file).model.grid_size == 12


def test_numbers_may_be_written_without_a_decimal_point(written):
    assert configure(None, {}, file=written("lr: 1e-4")).train.lr == 1e-4


def test_an_empty_file_changes_nothing(written):
    assert configure("tiny", {}, file=written("")) == configure("tiny", {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "learning_rate: 1",
            r"unknown .*config.yaml option learning_rate; known .* are recipe",
        ),
        ("train: {mask_ratio: 0.5}", r"unknown .*config.yaml train option mask_ratio; known"),
        ("model: {lr: 0.5}", r"unknown .*config.yaml model option lr; known"),
        ("lr: 1\ntrain: {lr: 2}", "sets lr both at the top level and below train; remove one"),
        ("lr: 1\nlr: 2", "is not a YAML file of fields .*the key lr occurs twice"),
        ("train: {lr: 1, lr: 2}", "the key lr occurs twice"),
        ("train: 3", "train must contain fields such as `lr: 0.001`, found 3"),
        ("- lr", "must contain fields such as `lr: 0.001`, found a list"),
        ("lr: [", "is not a YAML file"),
        ("lr: fast", "lr must be a number, found 'fast'"),
        ("recipe: 3", "recipe must be a name, found 3"),
        ("recipe: huge", "recipe must be one of .*, found 'huge'"),
        ("epochs: 3\nsteps: 4", "expected either epochs or steps"),
    ],
)
def test_a_malformed_file_is_an_error(written, text, message):
    with pytest.raises(InputError, match=message):
        configure(None, {}, file=written(text))


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*no\.yaml.*check --config"):
        configure(None, {}, file=tmp_path / "no.yaml")


def test_a_recipe_that_differs_from_the_file_is_an_error(written):
    with pytest.raises(InputError, match="--recipe must be tiny, the recipe of .*, found small"):
        configure("small", {}, file=written("recipe: tiny"))


@pytest.mark.parametrize("options", [{}, {"mi_features": "cls"}, {"projector": "on"}])
def test_the_configuration_of_a_run_repeats_it_whatever_the_recipe_changes(written, options):
    """Files leave out fields at the default of the model, which differs from this recipe's."""
    first = configure("csmae-b15", options)
    parts = {"model": first.model.to_dict(), "train": first.train.to_dict()}
    assert configure(None, {}, file=written({"recipe": "csmae-b15", **parts})) == first
