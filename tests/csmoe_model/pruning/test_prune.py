"""`csmoe prune`: a pruned model is a checkpoint like any other."""

import json
import re
from dataclasses import replace

import pytest
import torch
from error_lines import one_line
from labelled_sets import bright_and_dark
from minortom_cli.console import run
from minortom_cli.model.app import app
from model_folders import write
from pruning_models import WIDE, random_model
from shard_maker import PROVENANCE, made_up_metadata, made_up_tensors
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from csmoe_model import embed, export, finetune, inspect, prune, train
from csmoe_model.csmoe import CSMoE
from csmoe_model.extractors.load import load_extractor
from csmoe_model.pruning.calibration import class_vectors, draw_patches, drift
from csmoe_model.pruning.slicing import keep_experts
from csmoe_model.runs.folder import RunFolder
from minortom.errors import OutputExistsError
from minortom.io.provenance import KEY
from minortom.shards.layout import SampleSpec
from minortom.shards.writer import write_shards

pytest_plugins = ["pruning_fixtures"]


def pruned(work, out, checkpoint="model", **options):
    given = {"sensor": "s2", "workers": 1, "calibrate": 6, **options}
    return prune(work / checkpoint, shards=work / "shards", out=out, **given)


def record_of(folder):
    return json.loads((folder / "pruning.json").read_text())


@pytest.fixture(scope="module")
def small(work):
    """Half of the experts, with the page."""
    result = pruned(work, work / "small", keep=2, html=work / "small.html")
    return result, work / "small"


@pytest.fixture(scope="module")
def both(work):
    """Both sensors, with layers of different numbers of experts."""
    pruned(work, work / "both", sensor="both", by="ablation", budget=0.00155)
    return work / "both"


def test_the_record_holds_what_was_kept_and_the_model_has_it(small, whole):
    result, folder = small
    record, model = record_of(folder), CSMoE.from_pretrained(folder)

    kept = {row["layer"]: tuple(row["kept"]) for row in record["layers"]}
    assert {len(experts) for experts in kept.values()} == {2}
    for row in record["layers"]:
        ranked = sorted(row["experts"], key=lambda e: -row["scores"][e])
        assert sorted(ranked[:2]) == row["kept"]
        assert (row["specificity"] is not None) == row["layer"].startswith("shared")
    assert model.config == replace(WIDE, kept_experts=kept)
    assert model.sensors == ("s2",)
    smaller = keep_experts(whole, kept)
    image_BCHW = torch.randn(2, 10, 16, 16)
    with torch.no_grad():
        assert torch.equal(model.encode(s2=image_BCHW)["s2"], smaller.encode(s2=image_BCHW)["s2"])
    assert result.status == "written"
    assert result.experts == dict.fromkeys(kept, "2 of 4")


def test_the_cost_told_is_that_of_the_module(small):
    result, folder = small
    model = CSMoE.from_pretrained(folder)

    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.no_grad():
        model.encode(s2=torch.zeros(1, 10, 16, 16))

    after = record_of(folder)["cost"]["after"]
    assert result.macs == after["macs_full"] == counter.get_total_flops() / 2
    assert result.params == sum(weight.numel() for weight in model.backbone.parameters())
    assert result.params < result.params_before
    assert result.macs < result.macs_before


def test_the_drift_is_measured_on_other_patches(small, whole, data):
    result, folder = small
    found = record_of(folder)
    scored, others = draw_patches(whole, data, 6, seed=0, workers=1)
    assert not set(scored.samples) & set(others.samples)

    smaller = CSMoE.from_pretrained(folder)
    vectors = (class_vectors(model, others, ("s2",))["s2"] for model in (smaller, whole))

    assert found["drift"]["held_out"] is True
    assert found["drift"]["patches"] == 6
    assert result.drift["s2"] == pytest.approx(drift(*vectors), abs=1e-6)
    assert result.drift["s2"] > 0.001
    assert [row["experts"] for row in found["curve"]] == [4, 3, 2, 1]
    assert found["curve"][0]["drift"]["s2"] == pytest.approx(0, abs=1e-6)
    assert found["curve"][2]["drift"]["s2"] == pytest.approx(result.drift["s2"], abs=1e-6)


def test_the_card_and_the_provenance_say_what_was_removed(small, work):
    _, folder = small
    card, record = (folder / "README.md").read_text(), record_of(folder)
    config = json.loads((folder / "config.json").read_text())

    gone = [
        f"{', '.join(str(n) for n in row['experts'] if n not in row['kept'])} of {row['layer']}"
        for row in record["layers"]
    ]
    assert (
        f"| experts | 4 in each layer, dynamic slots; pruned: without {'; '.join(gone)} |" in card
    )
    assert config[KEY] == record[KEY]
    assert config[KEY]["command"] == "prune"
    assert config[KEY]["options"] == {"sensor": "s2", "by": "reap", "calibrate": 6, "keep": 2}
    assert set(config[KEY]["inputs"]) == {"weights", "shards"}
    assert config["history"][0]["command"] == "train"
    unpruned = json.loads((work / "model" / "config.json").read_text())
    assert "kept_experts" not in unpruned["model"]
    assert "pruned" not in (work / "model" / "README.md").read_text()


def test_pruning_again_to_the_same_number_changes_no_weight(small, work, tmp_path):
    _, folder = small
    pruned(work, tmp_path / "again", checkpoint="small", keep=2)

    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (
        folder / "model.safetensors"
    ).read_bytes()
    assert CSMoE.from_pretrained(tmp_path / "again").config == CSMoE.from_pretrained(folder).config
    assert (
        record_of(tmp_path / "again")["layers"][0]["experts"]
        == (record_of(folder)["layers"][0]["kept"])
    )


def test_keeping_all_experts_is_the_export_of_the_path(work, tmp_path):
    pruned(work, tmp_path / "all", keep=4)
    export(work / "model", out=tmp_path / "exported", sensor="s2")

    for name in ("model.safetensors", "config.json"):
        ours, theirs = ((tmp_path / d / name).read_bytes() for d in ("all", "exported"))
        if name == "config.json":
            ours, theirs = (json.loads(text)["model"] for text in (ours, theirs))
        assert ours == theirs


def test_the_same_call_is_up_to_date_and_other_options_need_overwrite(small, work):
    result, folder = small
    again = pruned(work, folder, keep=2, html=work / "small.html")
    assert again == replace(result, status="up to date")

    with pytest.raises(OutputExistsError, match="--overwrite"):
        pruned(work, folder, keep=1)


def test_without_other_patches_the_drift_is_that_of_the_scored_ones(work, tmp_path):
    pruned(work, tmp_path / "all", calibrate=99)

    found = record_of(tmp_path / "all")
    assert found["calibrated"] == 12
    assert (found["drift"]["patches"], found["drift"]["held_out"]) == (12, False)
    (tmp_path / "all" / "pruning.json").unlink()  # an incomplete folder is made again
    assert pruned(work, tmp_path / "all", calibrate=99).status == "written"
    assert record_of(tmp_path / "all") == found


def test_a_page_can_be_written_later(small, work, tmp_path):
    _, folder = small
    pruned(work, folder, keep=2, html=tmp_path / "later.html")
    assert (tmp_path / "later.html").read_bytes() == (work / "small.html").read_bytes()


def test_the_page_shows_every_expert_and_needs_no_network(small, work):
    page = (work / "small.html").read_text(encoding="utf-8")
    record = record_of(small[1])

    layers, patches = len(record["layers"]), 4
    assert len(re.findall(r'<img class="map', page)) == patches * layers * 4
    assert page.count(', removed"') == patches * layers * 2
    assert len(re.findall(r'<td class="kept">\d: [\d.e-]+<span', page)) == layers * 2
    assert "Specificity by sensor" in page
    assert not re.search(r"https?://|src=\"(?!data:)|<link", page)
    assert str(work) not in page


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


def prune_command(work, *words, checkpoint="model"):
    shards = () if "--shards" in words else ("--shards", work / "shards")
    sensor = () if "--sensor" in words else ("--sensor", "s2")
    return run(app, ["prune", *map(str, (work / checkpoint, *shards, *sensor, *words))])


def test_the_command_prints_json_and_plot_draws_the_results(work, tmp_path, capsys):
    out = tmp_path / "tiny"
    words = ("--out", out, "--keep", 1, "--by", "norm", "--calibrate", 4, "--seed", 3, "--json")
    assert prune_command(work, *words, "--workers", 1) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["experts"] == {"s2.0": "1 of 4", "s2.1": "1 of 4", "shared.0": "1 of 4"}
    assert printed["by"] == "norm"
    assert printed["html"] is None

    plot = ("plot", "pruning", out, "--out", tmp_path / "p.png")
    assert run(app, list(map(str, plot))) == 0
    points = json.loads((tmp_path / "p.json").read_text())["points"]
    assert [point["experts"] for point in points] == [4, 3, 2, 1]
    curve = record_of(out)["curve"]
    assert [point["macs"] for point in points] == [row["macs_full"] for row in curve]
    assert [point["drift"] for point in points] == [row["drift"]["s2"] for row in curve]
    assert run(app, list(map(str, plot))) == 1
    assert "--overwrite" in one_line(capsys.readouterr().err)
    assert run(app, ["plot", "pruning", str(work / "model"), "--out", str(tmp_path / "q.png")]) == 1
    assert "expected a record of `csmoe prune`" in one_line(capsys.readouterr().err)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--keep", 5), "keep must be at most 4, the experts of the largest layer, found 5"),
        (("--keep", 2, "--budget", 1), "found keep 2 and budget 1.0; leave one out"),
        (("--budget", 1e-5), "the cost of one expert in each layer, found 1e-05; give a larger"),
        (("--recover", 1, "--lr", 0), "lr must be above 0 and below 1, found 0.0"),
        (("--html", "page.pdf"), "--html must end in .html, found page.pdf; give another --html"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_nothing(work, tmp_path, capsys, words, message):
    assert prune_command(work, "--out", tmp_path / "out", *words) == 1
    assert message in one_line(capsys.readouterr().err)
    assert list(tmp_path.iterdir()) == []


def test_shards_without_all_bands_are_one_line(work, tmp_path, capsys):
    spec = SampleSpec(patch_px=16, bands=("B02", "B03", "B04", "B08", "vv", "vh"))
    write_shards(
        tmp_path / "shards", tensors=made_up_tensors(6, 16, bands=spec.bands), spec=spec,
        metadata=made_up_metadata(6), provenance=PROVENANCE,
    )  # fmt: skip

    shards = ("--shards", tmp_path / "shards")
    assert prune_command(work, "--out", tmp_path / "o", *shards) == 1
    assert "does not have B05, B06, B07, B8A, B11, B12" in one_line(capsys.readouterr().err)


def test_a_checkpoint_without_experts_or_without_the_sensor_is_one_line(
    work, data, tmp_path, capsys
):
    plain = replace(WIDE, num_experts=0, bal_weight=0.0)
    write(tmp_path / "plain", random_model(plain), data.statistics)
    write(tmp_path / "s1", random_model(encoder_of=("s1",)), data.statistics)

    for name, message in (
        ("plain", "expected a model with experts, found one without experts in"),
        ("s1", "expected a checkpoint with an encoder of s2, found encoders of s1"),
    ):
        assert prune_command(work, "--out", tmp_path / "o", checkpoint=tmp_path / name) == 1
        assert message in one_line(capsys.readouterr().err)
    assert not (tmp_path / "o").exists()
