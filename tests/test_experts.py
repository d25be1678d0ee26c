"""Who uses which expert, and where experts look: numbers, pictures and the page."""

import base64
import io
import json
import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch
from minortom_cli.console import run
from minortom_cli.model import app
from PIL import Image
from shard_maker import PROVENANCE, made_up_metadata, made_up_tensors
from sklearn.metrics import mutual_info_score
from test_checkpoints import write
from training_shards import MODEL, learnable_shards

from csmoe_model.checkpoints import load_model
from csmoe_model.csmoe import CSMoE
from csmoe_model.expert_page import inspect_experts
from csmoe_model.expert_pictures import expert_colours, expert_map, ground, heat_map
from csmoe_model.experts import (
    chance_information,
    draw_maps,
    group_shares,
    information,
    measure_usage,
)
from csmoe_model.export import export_encoder
from minortom.errors import OutputExistsError
from minortom.shard_writer import write_shards
from minortom.shards import ShardSet

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("experts")
    shards = ShardSet.open(learnable_shards(folder / "shards", train=9, val=3))
    torch.manual_seed(0)
    write(folder / "model", CSMoE(MODEL), shards.statistics)
    export_encoder(folder / "model", folder / "s1", sensor="s1")
    return folder


@pytest.fixture(scope="module")
def trained(folder):
    return load_model(folder / "model", device=CPU)


@pytest.fixture(scope="module")
def data(folder):
    return ShardSet.open(folder / "shards")


def routings(trained, data, sample, sensor):
    """Each layer's routing of one image, by the model itself."""
    buffers, found = data.buffers(1), []
    data.read_into(sample, buffers, 0)
    images = trained.normalise({c: torch.from_numpy(array) for c, array in buffers.items()})
    with torch.no_grad():
        trained.model.backbone.tokens(
            sensor, images[sensor], on_layer=lambda _, routing: found.append(routing)
        )
    return found


def test_usage_is_the_combine_weight_of_each_sample_sensor_and_layer(trained, data):
    samples = np.array([7, 0, 11])

    usage = measure_usage(trained, data, samples, workers=1)

    assert [(layer.sensor, layer.module) for layer in usage.layers] == [
        ("s2", "own.0"), ("s2", "shared.0"), ("s1", "own.0"), ("s1", "shared.0"),
    ]  # fmt: skip
    assert usage.share_KLE.shape == (3, 4, MODEL.num_experts)
    for number, sample in enumerate(samples):
        wanted = [
            routing.combine_BNES[0].sum((0, 2)) / 17
            for sensor in ("s2", "s1")
            for routing in routings(trained, data, sample, sensor)
        ]
        np.testing.assert_allclose(usage.share_KLE[number], torch.stack(wanted), atol=1e-5)


def test_entropies_are_means_over_all_samples(trained, data):
    """Over more than one batch, each as large as it is."""
    samples = np.arange(12).repeat(3)  # 36: a batch of 32 and one of 4

    once, thrice = (measure_usage(trained, data, k, workers=1) for k in (np.arange(12), samples))

    for name, wanted in once.entropies.items():
        np.testing.assert_allclose(thrice.entropies[name], wanted, rtol=1e-4)
        assert ((wanted >= 0) & (wanted <= 1)).all()


def test_progress_ends_at_all_samples(trained, data):
    told = []
    measure_usage(trained, data, np.arange(12), on_progress=lambda *now: told.append(now))
    assert told[-1] == (12, 12)


def test_a_map_holds_the_weights_of_the_places_in_raster_order(trained, data):
    maps = draw_maps(trained, data, 5)

    wanted = routings(trained, data, 5, "s1")[1]  # the fourth layer: shared, of s1
    dispatch = wanted.dispatch_BNES[0].mean(2)
    for row, column in ((0, 0), (0, 3), (2, 1)):
        place = 1 + 4 * row + column
        np.testing.assert_allclose(
            maps.dispatch_LEHW[3, :, row, column], dispatch[place], atol=1e-6
        )
        np.testing.assert_allclose(
            maps.combine_LEHW[3, :, row, column], wanted.combine_BNES[0, place].sum(1), atol=1e-6
        )
    np.testing.assert_allclose(maps.cls_LE[3], dispatch[0], atol=1e-6)


def test_an_experts_weights_add_up_to_one_and_so_do_a_places_experts(trained, data):
    maps = draw_maps(trained, data, 0)
    np.testing.assert_allclose(maps.dispatch_LEHW.sum((2, 3)) + maps.cls_LE, 1, rtol=1e-5)
    np.testing.assert_allclose(maps.combine_LEHW.sum(1), 1, rtol=1e-5)


def test_groups_are_averaged_sample_by_sample():
    share = np.array([[1, 0], [0.5, 0.5], [0, 1], [0.2, 0.8]], np.float32)

    names, counts, found = group_shares(share, ["b", "a", "b", "b"])

    assert names == ["a", "b"]
    assert counts.tolist() == [1, 3]
    np.testing.assert_allclose(found, [[0.5, 0.5], [0.4, 0.6]], rtol=1e-6)


def test_information_is_one_bit_where_two_groups_use_an_expert_each_and_none_where_alike():
    hard = np.eye(2, dtype=np.float32)[[0, 0, 1, 1]]
    assert information(hard, ["a", "a", "b", "b"]) == pytest.approx(1)
    assert information(hard, ["a", "b", "a", "b"]) == pytest.approx(0, abs=1e-6)


def test_information_agrees_with_scikit_learn():
    generator = np.random.default_rng(0)
    expert, group = generator.integers(0, 5, 300), generator.integers(0, 7, 300)
    share = np.eye(5, dtype=np.float32)[expert]

    found = information(share, [str(g) for g in group])

    assert found * np.log(2) == pytest.approx(mutual_info_score(group, expert), rel=1e-4)


def test_chance_keeps_the_patches_of_a_tile_together():
    """Two tiles in two groups: however shuffled, the groups tell the tiles apart."""
    share = np.eye(2, dtype=np.float32)[[0] * 20 + [1] * 20]
    tiles, groups = ["x"] * 20 + ["y"] * 20, ["a"] * 20 + ["b"] * 20
    assert chance_information(share, groups, tiles, seed=0) == pytest.approx(1)

    apart = [str(number) for number in range(40)]
    assert chance_information(share, groups, apart, seed=0) < 0.1


def pixels(uri):
    head, data = uri.split(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_a_heat_map_is_clear_at_zero_and_yellow_at_the_brightest():
    weight = np.array([[0, 0.2], [0.4, 0.1]], np.float32)
    found = pixels(heat_map(weight, brightest=0.4))
    assert found.shape == (2, 2, 4)
    assert found[0, 0, 3] == 0
    assert found[1, 0].tolist() == [255, 255, 0, 255]
    assert found[1, 1, 1] < found[0, 1, 1] < found[1, 0, 1]


def test_a_place_has_the_colour_of_the_expert_it_gets_most_from():
    share = np.zeros((3, 1, 2), np.float32)
    share[2, 0, 0], share[0, 0, 1], share[1, 0, 1] = 1, 0.5, 0.3
    found = pixels(expert_map(share)) / 255
    palette = np.array(expert_colours(3))
    np.testing.assert_allclose(found[0, 0], palette[2], atol=0.01)
    np.testing.assert_allclose(found[0, 1], palette[0] / 2 + 0.5, atol=0.01)


def test_every_expert_has_a_colour_of_its_own():
    for count in (2, 8, 16):
        assert len(set(expert_colours(count))) == count


def test_the_ground_is_grey():
    found = pixels(ground(np.random.default_rng(0).random((4, 4, 3)).astype(np.float32)))
    assert (found == found[..., :1]).all()


@pytest.fixture(scope="module")
def page(folder):
    inspect_experts(folder / "model", folder / "shards", folder / "page.html", patches=2)
    return (folder / "page.html").read_text(encoding="utf-8")


def test_the_page_shows_every_expert_of_every_layer_of_every_sensor(page):
    # 2 patches, 2 sensors, 2 layers, 2 experts and who speaks.
    assert len(re.findall(r'<img class="map', page)) == 2 * 2 * 2 * 3
    assert len(re.findall(r'<img class="photo"', page)) == 2 * 2
    for wanted in ("own.0 of Sentinel-2", "shared.0 of Sentinel-1", "shared.0, by sensor",
                   "own.0 of Sentinel-1, by land cover", "tree_cover", "CC-BY-SA-4.0"):  # fmt: skip
        assert wanted in page


def test_the_page_needs_no_network_and_names_no_place_of_this_machine(page, folder):
    assert not re.search(r"https?://|src=\"(?!data:)|<link", page)
    assert str(folder) not in page


def test_rows_of_shares_add_up_to_100(page):
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


def test_the_page_is_up_to_date_until_options_change(page, folder, tmp_path):
    again = tmp_path / "page.html"
    again.write_text(page, encoding="utf-8")
    told = inspect_experts(folder / "model", folder / "shards", again, patches=2)
    assert told["status"] == "up to date"

    with pytest.raises(OutputExistsError, match="--overwrite"):
        inspect_experts(folder / "model", folder / "shards", again, patches=1)
    inspect_experts(folder / "model", folder / "shards", again, patches=1, overwrite=True)
    assert again.read_text(encoding="utf-8") != page


def test_the_same_inputs_are_the_same_bytes(page, folder, tmp_path):
    inspect_experts(folder / "model", folder / "shards", tmp_path / "p.html", patches=2, workers=1)
    assert (tmp_path / "p.html").read_text(encoding="utf-8") == page


def test_names_are_text_whatever_is_in_them(folder, tmp_path):
    metadata, tensors = made_up_metadata(6), made_up_tensors(6, 16)
    for name in ("climate", "landcover"):
        place = metadata.schema.get_field_index(name)
        values = pa.array(["<script>alert(1)</script>"] * 6, metadata.schema.field(name).type)
        metadata = metadata.set_column(place, metadata.schema.field(name), values)
    made_by = replace(PROVENANCE, licences=("</script><script>alert(2)",))
    write_shards(tmp_path / "shards", tensors=tensors, metadata=metadata, provenance=made_by)

    inspect_experts(folder / "model", tmp_path / "shards", tmp_path / "p.html")

    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    (record,) = re.findall(r'<script type="application/json" id="minortom">(.*?)</script>', page)
    assert "</script><script>alert(2)" in json.loads(record)["licences"]
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def inspect(*arguments):
    return run(app, ["inspect", *(str(argument) for argument in arguments)])


def test_the_command_takes_one_sensors_encoder_and_tells_in_json(folder, tmp_path, capsys):
    out = tmp_path / "s1.html"
    words = (folder / "s1", folder / "shards", "--out", out, "--samples", 5, "--patches", 1)

    assert inspect(*words, "--workers", 1, "--json") == 0

    told = json.loads(capsys.readouterr().out)
    assert told == {"status": "written", "out": str(out), "patches": 5, "experts": 2}
    page = out.read_text(encoding="utf-8")
    assert "Over 5 patches" in page
    assert "Sentinel-2" not in page.split("Made from")[0]
    assert (tmp_path / "s1.html.run.json").is_file()


def test_no_patches_leaves_the_tables(folder, tmp_path):
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
    assert "is a model without experts" in one_line(capsys)


def test_a_stray_file_is_replaced_only_when_allowed(folder, tmp_path, capsys):
    out = tmp_path / "p.html"
    out.write_text("something else")
    words = (folder / "s1", folder / "shards", "--out", out, "--patches", 0)

    assert inspect(*words) == 1
    assert "--overwrite" in one_line(capsys)
    assert inspect(*words, "--overwrite") == 0
    assert inspect(folder / "s1", folder / "shards", "--out", tmp_path / "p.pdf") == 1
    assert "wanted a name that ends in .html" in one_line(capsys)
    assert inspect(folder / "s1", folder / "shards", "--out", tmp_path) == 1
    assert "is a folder" in one_line(capsys)


@pytest.mark.parametrize("name", ["shards/dataset.json", "s1/model.safetensors"])
def test_what_the_page_is_made_from_is_never_replaced(folder, capsys, name):
    before = (folder / name).read_bytes()
    words = ("--out", folder / name, "--patches", 0, "--overwrite")

    assert inspect(folder / "s1", folder / "shards", *words) == 1
    assert "is a part of the input" in one_line(capsys)
    assert (folder / name).read_bytes() == before
