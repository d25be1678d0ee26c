"""Export of one sensor's encoder: its vectors equal the model's, and its provenance is recorded."""

import json
import shutil

import numpy as np
import pytest
import torch
from minortom_cli.console import run
from minortom_cli.model.app import app
from model_folders import write
from pruning_models import CONDITIONED, random_model
from stored_vectors import stored_vectors
from training_shards import MODEL, learnable_shards

from csmoe_model.checkpoints.weights import read_model
from csmoe_model.csmoe import CSMoE
from csmoe_model.inference.embed import embed
from csmoe_model.inference.export_encoder import export as write_encoder
from csmoe_model.nn.cost import encoder_cost
from csmoe_model.recipes import recipe
from minortom.errors import InputError, OutputExistsError
from minortom.io.table_columns import read_table
from minortom.shards.shard_set import ShardSet


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    shards = ShardSet.open(learnable_shards(folder / "shards", train=5, val=0))
    torch.manual_seed(0)
    write(folder / "run" / "model", CSMoE(MODEL), shards.statistics)
    return folder


@pytest.fixture(scope="module")
def alone(folder):
    """Folder with an export of each sensor."""
    for sensor in ("s2", "s1"):
        write_encoder(folder / "run", out=folder / sensor, sensor=sensor)
    return folder


IMAGES = {"s2": torch.randn(2, 10, 20, 16), "s1": torch.randn(2, 2, 20, 16)}


@pytest.mark.parametrize("sensor", ["s2", "s1"])
def test_its_vectors_equal_those_of_the_whole_model_bit_for_bit(alone, sensor):
    whole, part = CSMoE.from_pretrained(alone / "run"), CSMoE.from_pretrained(alone / sensor)
    image = {sensor: IMAGES[sensor]}

    wanted = whole.encode(**image, patch_tokens=True)
    found = part.encode(**image, patch_tokens=True)

    assert part.sensors == (sensor,)
    for name, tensor in wanted.items():
        assert torch.equal(found[name], tensor)
    assert torch.equal(part.features(**image)[0], whole.features(**image)[0])
    assert torch.equal(part.prepare(**image)[sensor], whole.prepare(**image)[sensor])


@pytest.mark.parametrize(("sensor", "other"), [("s2", "s1"), ("s1", "s2")])
def test_the_other_sensor_is_refused_by_name(alone, sensor, other):
    part = CSMoE.from_pretrained(alone / sensor)
    for method in (part.encode, part.features):
        with pytest.raises(InputError, match=f"this model encodes, {sensor}, found {other}"):
            method(**{other: IMAGES[other]})


def test_its_weights_are_those_that_the_cost_table_counts(alone):
    for sensor in ("s2", "s1"):
        tensors = read_model(alone / sensor).tensors
        wanted = encoder_cost(MODEL, sensors=(sensor,)).params_trainable
        assert sum(tensor.numel() for tensor in tensors.values()) == wanted


def test_one_encoder_of_csmoe_b16_has_271_of_451_million_parameters():
    with torch.device("meta"):
        whole = CSMoE(recipe("csmoe-b16"), encoder_of=("s2", "s1"))
        part = CSMoE(recipe("csmoe-b16"), encoder_of=("s2",))
    for model, millions in ((whole, 451), (part, 271)):
        found = sum(weight.numel() for weight in model.parameters()) / 1e6
        assert found == pytest.approx(millions, abs=0.5)


def test_both_sensors_without_decoders_encode_as_before(alone, tmp_path):
    result = write_encoder(alone / "run", out=tmp_path / "both", sensor="both")

    part, whole = CSMoE.from_pretrained(tmp_path / "both"), CSMoE.from_pretrained(alone / "run")

    assert result.params < result.params_of_checkpoint
    assert not [name for name in part.state_dict() if not name.startswith("backbone.")]
    for name, vector in whole.encode(**IMAGES).items():
        assert torch.equal(part.encode(**IMAGES)[name], vector)


@pytest.mark.parametrize("sensor", ["s2", "s1"])
def test_an_encoder_keeps_the_condition_of_its_sensor_alone(folder, tmp_path, sensor):
    model = random_model(CONDITIONED)
    write(tmp_path / "model", model, ShardSet.open(folder / "shards").statistics)
    write_encoder(tmp_path / "model", out=tmp_path / "part", sensor=sensor)
    part, image = CSMoE.from_pretrained(tmp_path / "part"), {sensor: IMAGES[sensor]}

    names = {name.rpartition(".")[2] for name in part.state_dict() if "condition_vec" in name}
    assert names == {sensor, "whole", "local"}
    assert torch.equal(part.encode(**image)[sensor], model.encode(**image)[sensor])
    found = sum(weight.numel() for weight in part.parameters())
    assert found == encoder_cost(CONDITIONED, sensors=(sensor,)).params_trainable
    card = (tmp_path / "part" / "README.md").read_text()
    assert f"layers is conditioned, with vectors of {sensor}, whole, local |" in card


def test_its_provenance_names_the_checkpoint(alone):
    whole, part = read_model(alone / "run" / "model").origin, read_model(alone / "s2").origin

    assert part.record["command"] == "export-encoder"
    assert part.record["inputs"] == {"weights": whole.weights_sha256}
    assert part.history == (whole.record,)
    assert (part.recipe, part.licences) == (whole.recipe, whole.licences)
    card = (alone / "s2" / "README.md").read_text()
    assert "The encoder of Sentinel-2 of a masked autoencoder" in card
    assert "| s1 |" not in card
    assert "ab" * 32 in card  # the shards of the training


def test_the_same_export_is_the_same_bytes_and_not_written_twice(alone, tmp_path):
    again = write_encoder(alone / "run", out=alone / "s2", sensor="s2")
    assert again.status == "up to date"

    write_encoder(alone / "run", out=tmp_path / "s2", sensor="s2")
    for name in again.files:
        assert (tmp_path / "s2" / name).read_bytes() == (alone / "s2" / name).read_bytes()


def test_another_export_is_replaced_only_when_allowed(alone, tmp_path):
    out = shutil.copytree(alone / "s1", tmp_path / "out")
    with pytest.raises(OutputExistsError, match="--overwrite"):
        write_encoder(alone / "run", out=out, sensor="s2")
    write_encoder(alone / "run", out=out, sensor="s2", overwrite=True)
    assert CSMoE.from_pretrained(out).sensors == ("s2",)


def test_the_run_itself_is_never_replaced(alone):
    for out in (alone / "run" / "model", alone / "run"):
        with pytest.raises(InputError, match="(is|contains) the input"):
            write_encoder(alone / "run", out=out, sensor="s2", overwrite=True)
    assert CSMoE.from_pretrained(alone / "run").sensors == ("s2", "s1")


def test_an_encoder_of_one_sensor_has_no_other_to_export(alone, tmp_path):
    with pytest.raises(InputError, match="with an encoder of s1, found encoders of s2"):
        write_encoder(alone / "s2", out=tmp_path / "out", sensor="both")
    write_encoder(alone / "s2", out=tmp_path / "again", sensor="s2")
    assert len(read_model(tmp_path / "again").origin.history) == 2


def test_its_embeddings_are_those_of_its_sensor(alone, tmp_path):
    embed(alone / "run", alone / "shards", out=tmp_path / "whole.parquet")
    embed(
        alone / "s1", alone / "shards", out=tmp_path / "s1.parquet",
        neighbours=tmp_path / "neighbours.png",
    )  # fmt: skip

    table = read_table(tmp_path / "s1.parquet", ["sensor"], made_by="csmoe embed")
    assert set(table["sensor"].to_pylist()) == {"s1"}
    np.testing.assert_array_equal(
        stored_vectors(tmp_path / "s1.parquet", "s1"),
        stored_vectors(tmp_path / "whole.parquet", "s1"),
    )
    assert (tmp_path / "neighbours.png").is_file()


def test_encoding_is_exported_to_a_graph_and_agrees(alone):
    """The export that docs/use.md shows."""
    model = CSMoE.from_pretrained(alone / "s2")
    batch = {0: torch.export.Dim("batch", min=1)}
    program = torch.export.export(
        model.backbone, (), {"s2": IMAGES["s2"]}, dynamic_shapes={"s2": batch}
    )

    s2 = torch.randn(5, 10, 20, 16)
    torch.testing.assert_close(
        program.module()(s2=s2)["s2"], model.encode(s2=s2)["s2"], rtol=1e-4, atol=1e-4
    )


def export(*arguments):
    return run(app, ["export", *(str(argument) for argument in arguments)])


def test_the_command_prints_json(alone, tmp_path, capsys):
    assert export(alone / "run", "--sensor", "s1", "--out", tmp_path / "s1", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == {
        "status": "written", "out": str(tmp_path / "s1"), "sensor": "s1",
        "params": encoder_cost(MODEL, sensors=("s1",)).params_trainable,
        "params_of_checkpoint": sum(weight.numel() for weight in CSMoE(MODEL).parameters()),
        "files": ["model.safetensors", "config.json", "README.md"],
    }  # fmt: skip
    assert (tmp_path / "s1.run.json").is_file()

    assert export(alone / "run", "--sensor", "s2", "--out", tmp_path / "s1") == 1
    assert "error: " in capsys.readouterr().err
    assert export(alone / "run", "--sensor", "s2", "--out", tmp_path / "s1", "--overwrite") == 0


def test_wrong_usage_is_exit_2(alone, tmp_path):
    assert export(alone / "run", "--sensor", "s3", "--out", tmp_path / "x") == 2
    assert export(alone / "run", "--out", tmp_path / "x") == 2


def test_a_pickle_is_one_line(tmp_path, capsys):
    torch.save({}, tmp_path / "last.ckpt")
    assert export(tmp_path / "last.ckpt", "--sensor", "s2", "--out", tmp_path / "x") == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: ")
    assert "never unpickled" in line
