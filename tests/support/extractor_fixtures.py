"""Extractors of each kind with data for them; test files list this module in ``pytest_plugins``."""

import json
import signal

import numpy as np
import pytest
import torch
from geotiff_maker import tiff
from minortom_cli.console import run
from minortom_cli.model.app import app
from model_folders import write_model
from training_shards import learnable_shards

from csmoe_model.inference.embed import embed
from csmoe_model.inference.export_encoder import export
from minortom.shards.shard_set import ShardSet


@pytest.fixture(scope="module")
def quick_extractors():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # fastest for these sizes
    former = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("csmoe_model.extractors.random_convolutions.NUM_FILTERS", 4)
        patch.setattr("csmoe_model.probing.probe.NUM_DRAWS", 20)
        patch.setattr("csmoe_model.retrieval.directions.NUM_DRAWS", 20)
        patch.setattr("csmoe_model.probing.heads.STRENGTHS", (1e-2, 1.0))
        yield
    signal.signal(signal.SIGTERM, former)
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def extractor_folder(tmp_path_factory, quick_extractors):  # noqa: ARG001  # few filters
    """Return a folder of shards, a model, its Sentinel-1 encoder, fitted filters and GeoTIFFs."""
    folder = tmp_path_factory.mktemp("extractors")
    learnable_shards(folder / "shards", train=16, val=8, test=8, apart_deg=5)
    write_model(folder / "model", ShardSet.open(folder / "shards"), seed=7)
    export(folder / "model", out=folder / "s1", sensor="s1")
    embed("random-convolutions", folder / "shards", out=folder / "e.parquet")
    rng = np.random.default_rng(0)
    (folder / "images").mkdir()
    tiff(folder / "images" / "a.tif", rng.uniform(-20, -8, (2, 25, 20)), names=("VV", "VH"))
    tiff(folder / "images" / "b.tif", rng.uniform(-20, -8, (2, 30, 30)), names=("VV", "VH"))
    tiff(folder / "scene.tif", rng.uniform(-20, -8, (2, 40, 50)), names=("VV", "VH"))
    (folder / "points.csv").write_text("lat,lon\n45.1,3.0\n")
    return folder


@pytest.fixture
def csmoe(extractor_folder, monkeypatch, capsys):
    """Return a function that runs a command in the folder and returns what `--json` prints."""
    monkeypatch.chdir(extractor_folder)

    def command(*words):
        assert run(app, [str(word) for word in (*words, "--json")]) == 0
        return json.loads(capsys.readouterr().out)

    return command
