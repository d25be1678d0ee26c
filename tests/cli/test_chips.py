"""Chips in the layouts of published sets, through `csmoe probe` and `csmoe search`."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from image_maker import EUROSAT_BANDS, eurosat_chip, floods_chips, ssl4eo_chip, typed

from csmoe_model.datasets.base import check_for_probe
from csmoe_model.datasets.open_set import open_set
from csmoe_model.extractors.checkpoint import load_model
from csmoe_model.extractors.map_images import encode_set

pytest_plugins = ["image_fixtures"]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Use one thread, which is fastest for these sizes on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


NAMED = ("--s2-bands", ",".join(EUROSAT_BANDS))


def eurosat(root):
    """Write folders of classes, with 13 unnamed bands in each file."""
    for kind in ("Forest", "River"):
        for n in range(10):
            eurosat_chip(root / kind / f"{kind}_{n}.tif", seed=n + 10 * (kind == "River"))
    return NAMED


def floods(root):
    """Write pairs of both sensors, with a table of Windows paths, and train and test only."""
    lines = ["s2;s1;class;split"]
    for n in range(24):
        pair = floods_chips(root, seed=n)
        paths = [str(path.relative_to(root)).replace("/", "\\") for path in pair]
        lines.append(";".join((*paths, ("dry", "wet")[n % 2], "Train" if n < 20 else "Test")))
    (root / "labels.csv").write_text("\n".join(lines), encoding="utf-16")
    return ()


def ssl4eo(root):
    """Write samples with a file for each band."""
    lines = ["file,label"]
    for n in range(20):
        ssl4eo_chip(root / f"{n:07d}", seed=n)
        lines.append(f"{n:07d},{('dry', 'wet')[n % 2]}")
    (root / "labels.csv").write_text("\n".join(lines))
    return ()


def bigearthnet(root):
    """Copy real pairs, and list them in each split: the scores mean nothing."""
    if "MINORTOM_DATA" not in os.environ:
        pytest.skip("MINORTOM_DATA is not set")
    sample = Path(os.environ["MINORTOM_DATA"]) / "bigearthnet-sample"
    folders = [sorted((sample / f"BigEarthNet-{one}-Example").iterdir()) for one in ("S2", "S1")]
    lines = ["s2,s1,label,split"]
    for copy in ("train", "val", "test"):
        for n, pair in enumerate(zip(*folders, strict=True)):
            places = [f"{copy}/{one}-{n}" for one in ("s2", "s1")]
            for source, place in zip(pair, places, strict=True):
                shutil.copytree(source, root / place)
            lines.append(",".join((*places, ("a", "b")[n % 2], copy)))
    (root / "labels.csv").write_text("\n".join(lines))
    return ()


SENSORS = {
    eurosat: ["s2"], floods: ["s2", "s1"], ssl4eo: ["s2"], bigearthnet: ["s2", "s1"],
}  # fmt: skip


@pytest.mark.parametrize("write", [eurosat, floods, ssl4eo, bigearthnet])
def test_chips_are_a_labelled_set(model_folder, tmp_path, write):
    root = tmp_path / "set"
    root.mkdir()
    more = write(root)
    bands = more[1] if more else None
    data = open_set("folder", root, s2_bands=bands)
    model = load_model(model_folder / "model", device=torch.device("cpu"))
    for split in data.splits.values():
        vectors = encode_set(model, split, sensors=SENSORS[write], bands=data.bands)
        assert vectors.shape == (len(split), 32 * len(SENSORS[write]))
        assert len(np.unique(vectors, axis=0)) == len(split) > 0
    check_for_probe(data)


@pytest.mark.soak
@pytest.mark.parametrize("write", [eurosat, floods, ssl4eo, bigearthnet])
def test_chips_are_probed(model_folder, tmp_path, capsys, write):
    root = tmp_path / "set"
    root.mkdir()
    more = write(root)
    words = ("--data", "folder", "--root", root, "--out", tmp_path / "probe", *more)
    assert typed("probe", model_folder / "model", *words, "--seeds", 1, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert all(result["splits"].values())
    assert result["settings"]["sensors"] == SENSORS[write]
    assert {row["features"] for row in result["rows"]} > {"model", "band statistics"}


@pytest.mark.parametrize("write", [eurosat, floods, ssl4eo, bigearthnet])
def test_chips_are_searched_for(model_folder, tmp_path, capsys, write):
    root = tmp_path / "set"
    root.mkdir()
    more = write(root)
    images = {
        eurosat: ["Forest/Forest_1.tif"], ssl4eo: ["0000001"],
        floods: ["S2Hand/Ghana_1_S2Hand.tif", "S1Hand/Ghana_1_S1Hand.tif"],
        bigearthnet: ["train/s2-1", "train/s1-1"],
    }[write]  # fmt: skip
    words = [word for image in images for word in ("--image", root / image)]
    sensor = "both" if len(images) > 1 else "s2"
    assert typed(
        "search", model_folder / "e.parquet", "--shards", model_folder / "shards", "--checkpoint",
        model_folder / "model", "--html", tmp_path / "hits.html", "--sensor", sensor, "--k", 2,
        *words, *more, "--json",
    ) == 0  # fmt: skip
    hits = json.loads(capsys.readouterr().out)["hits"]
    assert len(hits) == 2
    assert all(-1 <= hit["cosine"] <= 1 for hit in hits)
