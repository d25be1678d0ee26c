"""Runs with conditioned routing and local crops: log, resume, and the weights they start from."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from training_runs import SHORT, rows, run, stop_after
from training_shards import CONDITIONED, MODEL

from csmoe_model.csmoe import CSMoE
from csmoe_model.nn.loss_terms import LOCAL_GLOBAL
from csmoe_model.runs.folder import RunFolder
from csmoe_model.training.configuration import configure
from minortom.errors import InputError

pytest_plugins = ("training_fixtures",)
pytestmark = pytest.mark.usefixtures("small_steps")


@pytest.fixture(scope="module")
def conditioned(shards, tmp_path_factory):
    out = tmp_path_factory.mktemp("conditioned") / "run"
    run(shards, out, model=CONDITIONED)
    return out


def vectors_of(folder):
    tensors = load_file(folder / "model" / "model.safetensors")
    return {name: t for name, t in tensors.items() if "condition_vectors" in name}


def test_the_log_has_the_term_of_the_crops_and_it_enters_the_loss(conditioned, finished):
    for row in rows(conditioned):
        value = {name: float(row[name]) for name in ("umr", "cmr", "mi", "rep", "bal", "loss")}
        of_paper = value["umr"] + value["cmr"] + value["mi"]
        of_paper += 0.01 * (value["rep"] + value["bal"])
        term = float(row[LOCAL_GLOBAL])
        assert term > 0.1
        assert value["loss"] == pytest.approx(of_paper + 0.5 * term, rel=1e-5)
    assert LOCAL_GLOBAL not in RunFolder(finished).log.columns


def test_every_condition_is_learnt(conditioned):
    vectors = vectors_of(conditioned)
    assert {name.rpartition(".")[2] for name in vectors} == {"s2", "s1", "whole", "local"}
    assert all(tensor.abs().max() > 1e-4 for tensor in vectors.values())


@pytest.mark.usefixtures("sigterm_raises")
def test_a_stopped_run_resumes_with_bit_equal_losses(shards, conditioned, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(SystemExit):
        run(shards, out, model=CONDITIONED, on_step=stop_after(3))
    with pytest.raises(InputError, match=r"model.condition is both in the run and sensor in the "):
        run(shards, out, model=replace(CONDITIONED, condition="sensor"), resume=True)
    with pytest.raises(InputError, match=r"local_global is 0.5 in the run and not given in the "):
        run(shards, out, model=MODEL, resume=True)
    run(shards, out, model=CONDITIONED, resume=True, workers=3)
    assert rows(out) == rows(conditioned)
    found, wanted = ((f / "model/model.safetensors").read_bytes() for f in (out, conditioned))
    assert found == wanted


def test_a_model_without_conditions_gets_them_at_zero(shards, finished, tmp_path):
    pixels = torch.full((1, 10, 16, 16), 1500.0)
    configuration = configure(None, {"condition": "both", "local_global": 0.5}, weights=finished)
    still = replace(SHORT, lr=1e-30, steps=1)  # no float32 weight moves, but those at zero do
    run(shards, tmp_path / "run", model=configuration.model, parent=finished, config=still)
    before, after = (CSMoE.from_pretrained(folder) for folder in (finished, tmp_path / "run"))
    assert configuration.model == CONDITIONED == after.config
    assert all(tensor.abs().max() < 1e-20 for tensor in vectors_of(tmp_path / "run").values())
    assert torch.equal(*(m.encode(**m.prepare(s2=pixels))["s2"] for m in (before, after)))


def test_further_training_keeps_the_condition_and_may_change_the_weight(conditioned):
    found = configure(None, {"local_global": 0.1}, weights=conditioned)
    assert found.model == replace(CONDITIONED, local_global=0.1)
    with pytest.raises(InputError, match="condition is both in the checkpoint and none in the opt"):
        configure(None, {"condition": "none"}, weights=conditioned)
