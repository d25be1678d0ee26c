"""`csmoe inspect`: the page about the experts."""

import json
import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch
from minortom_cli.console import run
from minortom_cli.model.app import app
from model_folders import write
from page_checks import check_in_all_modes, open_page
from pruning_models import CONDITIONED, random_model
from shard_maker import PROVENANCE, made_up_metadata, made_up_tensors
from training_shards import MODEL

from csmoe_model.analysis.expert_usage import information, measure_usage
from csmoe_model.analysis.inspect import inspect as inspect_experts
from csmoe_model.csmoe import CSMoE
from csmoe_model.data.normalise import Normalise
from csmoe_model.nn.masking import draw_crops
from csmoe_model.pruning.slicing import keep_experts
from minortom.errors import OutputExistsError
from minortom.shards.shard_set import ShardSet
from minortom.shards.writer import write_shards

pytest_plugins = ("browser_fixtures",)


@pytest.fixture(scope="module")
def page(folder):
    inspect_experts(folder / "model", folder / "shards", out=folder / "page.html", patches=2)
    return (folder / "page.html").read_text(encoding="utf-8")


def test_the_page_shows_every_expert_of_every_layer_of_every_sensor(page):
    # 2 patches, 2 sensors, 2 layers, 2 experts and the expert with the largest share.
    assert len(re.findall(r'<img class="map', page)) == 2 * 2 * 2 * 3
    assert len(re.findall(r'<img class="photo"', page)) == 2 * 2
    for wanted in ("own.0 of Sentinel-2", "shared.0 of Sentinel-1", "shared.0, by sensor",
                   "own.0 of Sentinel-1, by land cover", "tree_cover", "CC-BY-SA-4.0"):  # fmt: skip
        assert wanted in page


def test_the_page_needs_no_network_and_has_no_path_of_this_machine(page, folder):
    assert not re.search(r"https?://|src=\"(?!data:)|<link", page)
    assert str(folder) not in page


def test_the_page_is_readable_in_all_modes(page, folder, browser):
    assert page
    open_page(browser, folder / "page.html")
    check_in_all_modes(browser)


def test_rows_of_shares_sum_to_100(page):
    rows = re.findall(r"<tr><th>[^<]*</th><td class=\"soft\">[\d,]+</td>(.*?)</tr>", page)
    assert len(rows) > 10
    for row in rows:
        shares = [float(share) for share in re.findall(r">([\d.]+)</td>", row)]
        assert sum(shares) == pytest.approx(100, abs=0.2)


def test_the_shares_shown_are_those_measured(page, trained, data):
    usage = measure_usage(trained, data, np.arange(len(data)), workers=1)
    table = page.split("shared.0, by sensor</summary>")[1].split("</table>")[0]
    rows = [re.findall(r">([\d.]+)</td>", row) for row in table.split("<tbody>")[1].split("<tr>")]
    found = [[float(share) for share in row[1:]] for row in rows if row]
    wanted = 100 * usage.share_KLE.mean(0)[[1, 3]]  # the shared layer of s2, of s1
    np.testing.assert_allclose(found, wanted, atol=0.051)


def test_the_information_of_random_weights_is_the_mean_of_three_networks(page, trained, data):
    columns = {"climate": slice(3, 6), "landcover": slice(6, 9)}
    row = re.search(r"<tr><th>own.0 of Sentinel-2</th>(.*?)</tr>", page, re.DOTALL)[1]
    shown = [float(cell) for cell in re.findall(r">([\d.]+)</td>", row)]
    for name, place in columns.items():
        groups = data.metadata([name])[name].to_pylist()
        found = []
        for seed in range(3):
            torch.manual_seed(seed)
            fresh = CSMoE(MODEL)
            fresh.preprocess = trained.model.preprocess
            usage = measure_usage(replace(trained, model=fresh), data, np.arange(len(data)))
            found.append(information(usage.share_KLE[:, 0], groups))
        own, _, random = shown[place]
        assert own == pytest.approx(found[0], abs=6e-5)  # the fixture is not trained: seed 0
        assert random == pytest.approx(np.mean(found), abs=6e-5)
    assert np.ptp(found) > 1e-4  # by land cover; these patches have one climate


def test_the_page_is_up_to_date_until_options_change(page, folder, tmp_path):
    again = tmp_path / "page.html"
    again.write_text(page, encoding="utf-8")
    result = inspect_experts(folder / "model", folder / "shards", out=again, patches=2)
    assert result.status == "up to date"

    with pytest.raises(OutputExistsError, match="--overwrite"):
        inspect_experts(folder / "model", folder / "shards", out=again, patches=1)
    inspect_experts(folder / "model", folder / "shards", out=again, patches=1, overwrite=True)
    assert again.read_text(encoding="utf-8") != page


def test_a_page_without_the_networks_of_random_weights_is_out_of_date(page, folder, tmp_path):
    recorded = '"untrained_seeds": [0, 1, 2]'
    assert recorded in page
    older = re.sub(f", {re.escape(recorded)}|{re.escape(recorded)}, ", "", page)
    (tmp_path / "older.html").write_text(older, encoding="utf-8")
    with pytest.raises(OutputExistsError, match="was made with other inputs or options"):
        inspect_experts(folder / "model", folder / "shards", out=tmp_path / "older.html", patches=2)


def test_the_same_inputs_are_the_same_bytes(page, folder, tmp_path):
    inspect_experts(
        folder / "model", folder / "shards", out=tmp_path / "p.html", patches=2, workers=1
    )
    assert (tmp_path / "p.html").read_text(encoding="utf-8") == page


@pytest.fixture
def conditioned(data, tmp_path):
    """A pruned model whose expert 0 of the shared layer has a long vector of Sentinel-2."""
    model = keep_experts(random_model(CONDITIONED), {"shared.0": (0, 1, 3)})
    vectors = model.backbone.shared.trunk.blocks[0].soft_moe.condition_vectors
    with torch.no_grad():
        vectors["s2"][0] = 2.0
    write(tmp_path / "model", model, data.statistics)
    return tmp_path / "model"


def cells(page, row):
    """Return the cells of a row of a table."""
    (found,) = re.findall(rf"<tr><th>{row}</th>(.*?)</tr>", page)
    return re.findall(r"<td>(.*?)</td>", found)


def test_the_page_of_a_conditioned_model_shows_its_vectors_and_their_effect(
    conditioned, folder, data, tmp_path
):
    seen = []
    inspect_experts(
        conditioned, folder / "shards", out=tmp_path / "p.html", patches=0,
        on_progress=lambda *counts: seen.append(counts),
    )  # fmt: skip
    page = (tmp_path / "p.html").read_text(encoding="utf-8")

    lengths = cells(page, "length of the vector of Sentinel-2")
    assert lengths[0] == "2.000"
    assert lengths[2] == "–"
    assert len(cells(page, "length of the vector of local crops")) == 4
    model = CSMoE.from_pretrained(conditioned)
    assert seen == [(12 * n, 72) for n in range(1, 7)]  # three ways to encode, three networks
    for way, crops, zero in (
        ("whole images", False, False), ("local crops", True, False),
        ("whole images, with vectors of zero", False, True),
    ):  # fmt: skip
        if zero:
            for vector in model.backbone.shared.trunk.blocks[0].soft_moe.condition_vectors.values():
                vector.data.zero_()
        shares = [mean_share(model, data, sensor, crops=crops) for sensor in ("s2", "s1")]
        wanted = (shares[0] - shares[1]) / (shares[0] + shares[1])
        found = cells(page, f"specificity, {way}")
        assert found.pop(2) == "–"
        numbers = [float(cell.replace("−", "-")) for cell in found]
        np.testing.assert_allclose(numbers, wanted, atol=0.0051)


def mean_share(model, data, sensor, *, crops):
    """Return the mean share of the experts of the shared layer, image by image."""
    buffers = data.buffers(len(data))
    data.read_rows(list(range(len(data))), buffers)
    normalise = Normalise(data.statistics, image_size=16)
    image = normalise({name: torch.from_numpy(a) for name, a in buffers.items()})[sensor]
    crop = draw_crops(range(len(data)), grid_size=4, num_cropped=4, seed=0, epoch=0)
    routings = []
    with torch.no_grad():
        model.backbone.tokens(
            sensor, image, crop_BK=crop if crops else None,
            on_layer=lambda _, routing: routings.append(routing),
        )  # fmt: skip
    return routings[-1].combine_BNES.sum(3).mean((0, 1)).numpy()


def test_without_conditions_the_page_has_none(page):
    assert "Conditions</h2>" not in page


def test_markup_in_names_is_escaped(folder, tmp_path):
    metadata, tensors = made_up_metadata(6), made_up_tensors(6, 16)
    for name in ("climate", "landcover"):
        place = metadata.schema.get_field_index(name)
        values = pa.array(["<script>alert(1)</script>"] * 6, metadata.schema.field(name).type)
        metadata = metadata.set_column(place, metadata.schema.field(name), values)
    made_by = replace(PROVENANCE, licences=("</script><script>alert(2)",))
    write_shards(tmp_path / "shards", tensors=tensors, metadata=metadata, provenance=made_by)

    inspect_experts(folder / "model", tmp_path / "shards", out=tmp_path / "p.html")

    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    (record,) = re.findall(r'<script type="application/json" id="minortom">(.*?)</script>', page)
    assert "</script><script>alert(2)" in json.loads(record)["licences"]
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def inspect(*arguments):
    return run(app, ["inspect", *(str(argument) for argument in arguments)])


def test_the_command_takes_an_encoder_of_one_sensor_and_prints_json(folder, tmp_path, capsys):
    out = tmp_path / "s1.html"
    words = (folder / "s1", folder / "shards", "--out", out, "--samples", 5, "--patches", 1)

    assert inspect(*words, "--workers", 1, "--json") == 0

    printed = json.loads(capsys.readouterr().out)
    assert printed == {"status": "written", "out": str(out), "patches": 5, "experts": 2}
    page = out.read_text(encoding="utf-8")
    assert "Over 5 patches" in page
    assert "Sentinel-2" not in page.split("Provenance</h2>")[0]
    assert (tmp_path / "s1.html.run.json").is_file()


def test_without_patches_the_page_has_tables_only(folder, tmp_path):
    out = tmp_path / "p.html"
    assert inspect(folder / "model", folder / "shards", "--out", out, "--patches", 0) == 0
    assert "<img" not in out.read_text(encoding="utf-8")


def one_line(capsys):
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: ")
    return line


def test_a_model_without_experts_is_one_line(folder, tmp_path, capsys):
    plain = CSMoE(replace(MODEL, num_experts=0))
    write(tmp_path / "plain", plain, ShardSet.open(folder / "shards").statistics)

    assert inspect(tmp_path / "plain", folder / "shards", "--out", tmp_path / "p.html") == 1
    assert "expected a model with experts, found one without experts" in one_line(capsys)


def test_a_stray_file_is_replaced_only_when_allowed(folder, tmp_path, capsys):
    out = tmp_path / "p.html"
    out.write_text("something else")
    words = (folder / "s1", folder / "shards", "--out", out, "--patches", 0)

    assert inspect(*words) == 1
    assert "--overwrite" in one_line(capsys)
    assert inspect(*words, "--overwrite") == 0
    assert inspect(folder / "s1", folder / "shards", "--out", tmp_path / "p.pdf") == 1
    assert "--out must end in .html, found" in one_line(capsys)
    assert inspect(folder / "s1", folder / "shards", "--out", tmp_path) == 1
    assert "--out must be a file, found the folder" in one_line(capsys)


@pytest.mark.parametrize("name", ["shards/dataset.json", "s1/model.safetensors"])
def test_an_input_of_the_page_is_never_replaced(folder, capsys, name):
    before = (folder / name).read_bytes()
    words = ("--out", folder / name, "--patches", 0, "--overwrite")

    assert inspect(folder / "s1", folder / "shards", *words) == 1
    assert "is a file of the input" in one_line(capsys)
    assert (folder / name).read_bytes() == before
