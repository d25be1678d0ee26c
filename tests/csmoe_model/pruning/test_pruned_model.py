"""A pruned model is a checkpoint like any other: every command takes it."""

import pytest
import torch
from labelled_sets import bright_and_dark
from pruning_runs import pruned, record_of

from csmoe_model import embed, export, finetune, inspect, train
from csmoe_model.csmoe import CSMoE
from csmoe_model.extractors.load import load_extractor
from csmoe_model.runs.folder import RunFolder


@pytest.fixture(scope="module")
def both(work):
    """Both sensors, with layers of different numbers of experts."""
    pruned(work, work / "both", sensor="both", by="ablation", budget=0.00155)
    return work / "both"


def test_a_budget_gives_layers_of_different_numbers_that_every_command_takes(both, work, tmp_path):
    record = record_of(both)
    counts = {row["layer"]: len(row["kept"]) for row in record["layers"]}
    assert len(set(counts.values())) > 1
    assert record["cost"]["after"]["macs_full"] <= 0.00155e9 < record["cost"]["before"]["macs_full"]

    result = inspect(both, work / "shards", out=tmp_path / "p.html", patches=1, workers=1)
    assert result.experts == counts
    page = (tmp_path / "p.html").read_text()
    of_shared = page.split("shared.0, by sensor</summary>")[1].split("</table>")[0]
    assert of_shared.count('<td class="soft">–</td>') == 2 * (4 - counts["shared.0"])
    assert embed(both, work / "shards", out=tmp_path / "e.parquet").patches == 15
    part = export(both, out=tmp_path / "s1", sensor="s1")
    model = CSMoE.from_pretrained(tmp_path / "s1")
    assert part.params == sum(weight.numel() for weight in model.parameters())
    assert len(model.backbone.shared.trunk.blocks[0].soft_moe.experts.up_EDH) == counts["shared.0"]


def test_both_sensors_keep_the_decoders_and_can_be_trained_further(both, work, tmp_path):
    train(
        work / "shards", out=tmp_path / "run", weights=both, steps=2, batch_size=6, workers=1,
        tensorboard=False,
    )  # fmt: skip

    further = CSMoE.from_pretrained(tmp_path / "run")
    assert further.config == CSMoE.from_pretrained(both).config
    assert further.encoder_only is None
    kept = {row["layer"]: row["kept"] for row in record_of(both)["layers"]}
    rows = RunFolder(tmp_path / "run").experts.rows("train")
    assert {row["layer"] for row in rows} == set(kept)
    for row in rows:
        used = [n for n in range(4) if row[f"usage_{n}"]]
        assert used == kept[row["layer"]]
        assert sum(float(row[f"usage_{n}"]) for n in used) == pytest.approx(1)


def test_a_pruned_model_is_fine_tuned_like_any_other(small, tmp_path):
    data = bright_and_dark({"train": 8, "val": 4, "test": 4})
    finetune(
        small[1], data=data, root=None, out=tmp_path / "tuned", epochs=1, batch_size=4,
        compare=False, tensorboard=False, warm_start=False,
    )  # fmt: skip

    tuned, before = (CSMoE.from_pretrained(path) for path in (tmp_path / "tuned", small[1]))
    assert tuned.config == before.config
    changed = [
        name for name, weight in before.state_dict().items()
        if not torch.equal(tuned.state_dict()[name], weight)
    ]  # fmt: skip
    assert any("experts.up_EDH" in name for name in changed)


def test_an_extractor_tells_the_cost_of_what_is_left(small):
    result, folder = small
    cost = load_extractor(folder).cost

    assert (cost.parameters, cost.multiply_adds) == (result.params, result.macs)


def test_a_saved_copy_has_the_same_weights_and_says_what_was_removed(small, tmp_path):
    CSMoE.from_pretrained(small[1]).save_pretrained(tmp_path / "copy")

    for name in ("model.safetensors", "config.json"):
        assert (tmp_path / "copy" / name).read_bytes() == (small[1] / name).read_bytes()
    assert "pruned: without" in (tmp_path / "copy" / "README.md").read_text()


@pytest.mark.parametrize("form", ["onnx", "torch-export"])
def test_a_pruned_encoder_is_a_graph_of_the_same_numbers(small, tmp_path, form):
    _, folder = small
    export(folder, out=tmp_path / "graph", sensor="s2", format=form)
    model = CSMoE.from_pretrained(folder)
    pixels = torch.full((3, 10, 16, 16), 2000.0) + 300 * torch.randn(3, 10, 16, 16)
    with torch.no_grad():
        wanted = model.encode(**model.prepare(s2=pixels))["s2"]

    if form == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(tmp_path / "graph" / "encoder.onnx")
        found = torch.from_numpy(session.run(None, {"s2": pixels.numpy()})[0])
    else:
        found = torch.export.load(tmp_path / "graph" / "encoder.pt2").module()(pixels)[0]

    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4)
