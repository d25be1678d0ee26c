"""Encoders as graphs: onnxruntime and torch.export compute the vectors of the model."""

import json
import sys
import zipfile
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from minortom_cli.console import run
from minortom_cli.model.app import app
from model_folders import write
from pruning_models import CONDITIONED, random_model
from training_shards import MODEL, learnable_shards

import csmoe_model
from csmoe_model.csmoe import CSMoE
from csmoe_model.inference import export_graph
from minortom.errors import InputError
from minortom.shards.shard_set import ShardSet

FILES = {"onnx": "encoder.onnx", "torch-export": "encoder.pt2"}
BANDS = {"s2": 10, "s1": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a model of each kind of slots, and the graphs of both sensors."""
    folder = tmp_path_factory.mktemp("graphs")
    shards = ShardSet.open(learnable_shards(folder / "shards", train=5, val=0))
    for slots in ("dynamic", "fixed"):
        torch.manual_seed(0)
        write(folder / slots, CSMoE(replace(MODEL, slots=slots)), shards.statistics)
    for sensor, slots in (("s2", "dynamic"), ("s1", "fixed")):
        for form in FILES:
            csmoe_model.export(
                folder / slots, out=folder / f"{sensor}-{form}", sensor=sensor, format=form
            )
    return folder


def measured(sensor, count):
    """Return pixels in the units of `prepare`."""
    rng = np.random.default_rng(count)
    mean, spread = {"s2": (2500, 400), "s1": (-14, 3)}[sensor]
    return (mean + spread * rng.standard_normal((count, BANDS[sensor], 16, 16))).astype(np.float32)


def computed(folder, form, sensor, images):
    """Return vectors and tokens as a user of the graph computes them."""
    path = str(folder / f"{sensor}-{form}" / FILES[form])
    if form == "onnx":
        return onnxruntime.InferenceSession(path).run(None, {sensor: images})
    with torch.no_grad():
        return [t.numpy() for t in torch.export.load(path).module()(torch.from_numpy(images))]


@pytest.mark.parametrize("form", FILES)
@pytest.mark.parametrize(("sensor", "slots"), [("s2", "dynamic"), ("s1", "fixed")])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_vectors_and_tokens_are_those_of_the_model(folder, form, sensor, slots, count):
    assert_computes(folder, form, sensor, folder / slots, count)


@pytest.mark.parametrize("form", FILES)
@pytest.mark.parametrize("slots", ["dynamic", "fixed"])
def test_a_conditioned_encoder_computes_with_the_condition_of_its_sensor(
    folder, tmp_path, form, slots
):
    model, out = random_model(replace(CONDITIONED, slots=slots)), tmp_path / f"s1-{form}"
    write(tmp_path / "model", model, ShardSet.open(folder / "shards").statistics)
    csmoe_model.export(tmp_path / "model", out=out, sensor="s1", format=form)
    assert_computes(tmp_path, form, "s1", tmp_path / "model", 3)


def assert_computes(folder, form, sensor, checkpoint, count):
    """Check that a graph in a folder computes the vectors and tokens of a model."""
    images = measured(sensor, count)
    model = CSMoE.from_pretrained(checkpoint)
    with torch.no_grad():
        wanted = model.encode(**model.prepare(**{sensor: images}), patch_tokens=True)
    vectors, tokens = computed(folder, form, sensor, images)
    np.testing.assert_allclose(vectors, wanted[sensor].numpy(), atol=1e-4)
    np.testing.assert_allclose(tokens, wanted[f"{sensor}_tokens"].numpy(), atol=1e-4)


def test_the_onnx_file_is_valid_and_one_file(folder):
    out = folder / "s2-onnx"
    onnx.checker.check_model(str(out / "encoder.onnx"))
    assert {path.name for path in out.iterdir()} == {"encoder.onnx", "config.json", "README.md"}
    session = onnxruntime.InferenceSession(str(out / "encoder.onnx"))
    assert [(i.name, i.shape) for i in session.get_inputs()] == [("s2", ["batch", 10, 16, 16])]
    assert [o.name for o in session.get_outputs()] == ["vectors", "tokens"]


def metadata(folder, form):
    path = folder / f"s2-{form}" / FILES[form]
    if form == "onnx":
        return {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    with zipfile.ZipFile(path) as parts:
        names = {name.rpartition("/")[2]: name for name in parts.namelist() if "extra" in name}
        return {key: parts.read(name).decode() for key, name in names.items()}


@pytest.mark.parametrize("form", FILES)
def test_the_file_itself_has_the_provenance_and_the_bands(folder, form):
    found = metadata(folder, form)
    config = json.loads((folder / f"s2-{form}" / "config.json").read_text())
    record = json.loads(found["minortom"])
    assert record == config["minortom"]
    assert record["options"] == {"sensor": "s2", "format": form}
    assert record["inputs"] == {"weights": CSMoE.from_pretrained(folder / "dynamic").origin.
                                weights_sha256}  # fmt: skip
    assert "reflectance × 10,000, bands B02 B03 B04 B05 B06 B07 B08 B8A B11 B12" in found["input"]
    assert found["outputs"] == "vectors [batch, 32], tokens [batch, 16, 32]"


@pytest.mark.parametrize("form", FILES)
def test_the_example_of_the_card_computes_vectors(folder, form, monkeypatch):
    out = folder / f"s2-{form}"
    card = (out / "README.md").read_text()
    code = card.split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(out)
    images = measured("s2", 3)
    names = {"s2": images if form == "onnx" else torch.from_numpy(images)}
    exec(code, names)
    assert names["vectors"].shape == (3, 32)
    assert f"Files: `{FILES[form]}` holds the weights" in card
    assert "from_pretrained" not in card


def test_the_same_export_is_up_to_date_and_another_format_needs_overwrite(folder, capsys):
    words = ["export", str(folder / "dynamic"), "--sensor", "s2", "--out", str(folder / "s2-onnx")]
    assert run(app, [*words, "--format", "onnx", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["status"], found["files"][0]) == ("up to date", "encoder.onnx")
    assert run(app, words) == 1
    assert "give --overwrite" in capsys.readouterr().err


@pytest.mark.parametrize("form", FILES)
def test_both_sensors_are_refused(folder, tmp_path, form):
    with pytest.raises(InputError, match=f"--format {form} is for one sensor, found both"):
        csmoe_model.export(folder / "dynamic", out=tmp_path / "x", sensor="both", format=form)


@pytest.mark.parametrize("package", ["onnx", "onnxscript"])
def test_a_missing_package_is_one_line_before_any_work(tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    expected = rf"^{package} is not installed; run `pip install 'minortom\[onnx\]'`$"
    with pytest.raises(InputError, match=expected):
        csmoe_model.export(tmp_path / "none", out=tmp_path / "x", sensor="s2", format="onnx")
    with pytest.raises(InputError, match="none does not exist"):
        csmoe_model.export(
            tmp_path / "none", out=tmp_path / "x", sensor="s2", format="torch-export"
        )


def test_weights_that_do_not_fit_into_a_file_of_onnx_are_refused(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(export_graph, "_MAX_ONNX_BYTES", 1000)
    with pytest.raises(InputError, match=r"holds at most 2 GiB, .*give --format torch-export"):
        csmoe_model.export(folder / "dynamic", out=tmp_path / "x", sensor="s2", format="onnx")
    assert not (tmp_path / "x").exists()


def test_a_graph_is_not_a_checkpoint(folder):
    with pytest.raises(InputError, match="does not hold model.safetensors"):
        CSMoE.from_pretrained(folder / "s2-onnx")
