"""`csmoe_model.prune`: the record, the costs, the card and the page."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from page_checks import check_in_all_modes, open_page
from pruning_models import WIDE
from pruning_runs import pruned, record_of
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from csmoe_model import export
from csmoe_model.csmoe import CSMoE
from csmoe_model.pruning.calibration import class_vectors, draw_patches, drift
from csmoe_model.pruning.slicing import keep_experts
from minortom.errors import OutputExistsError
from minortom.io.provenance import KEY

pytest_plugins = ("browser_fixtures",)


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
    numbers = {"keep": np.int64(2), "calibrate": np.int64(6), "seed": np.int64(0)}
    assert pruned(work, folder, **numbers).status == "up to date"

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


def test_the_page_shows_every_expert_and_needs_no_network(small, work, browser):
    page = (work / "small.html").read_text(encoding="utf-8")
    record = record_of(small[1])

    layers, patches = len(record["layers"]), 4
    assert len(re.findall(r'<img class="map', page)) == patches * layers * 4
    assert page.count(', removed"') == patches * layers * 2
    assert len(re.findall(r'<td class="kept">\d: [\d.e-]+<span', page)) == layers * 2
    assert "Specificity by sensor" in page
    assert not re.search(r"https?://|src=\"(?!data:)|<link", page)
    assert str(work) not in page
    open_page(browser, work / "small.html")
    check_in_all_modes(browser)
