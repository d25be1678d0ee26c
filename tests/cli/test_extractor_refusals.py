"""Refusals, in one line, of what an extractor cannot do."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from error_lines import one_line
from geotiff_maker import tiff
from minortom_cli.console import run
from minortom_cli.model.app import app

from csmoe_model.extractors.load import load_extractor
from csmoe_model.inference.fit_on_shards import fitted_on
from minortom.errors import InputError
from minortom.sensors import MODEL_BANDS

pytest_plugins = ["extractor_fixtures"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["embed", "random-convolutions", "images/a.tif"], "must be fitted on training images"),
        (
            ["embed", "band-statistics", "mixed"],
            "has 8 features of mixed/s1.tif, found 40 of mixed/s2.tif; embed",
        ),
        (["embed", "s1", "s2.tif"], "bands of s1, which tiny encodes, found bands of s2 in"),
        (
            ["embed", "band-statistics", "--tile-px", "10", "--overlap", "0.5", "scene.tif"],
            "--overlap needs tiles of several tokens, found band-statistics",
        ),
        (["embed", "odd", "shards"], "random-convolutions, specialist in odd, found odd"),
        (
            [
                "probe",
                "band-statistics",
                "--data",
                "shards",
                "--root",
                "shards",
                "--pooling",
                "mean",
            ],
            "--pooling mean needs a model with patch tokens, found band-statistics",
        ),
        (["info", "odd"], "found odd; install a newer version"),
        (
            ["inspect", "e.extractor", "shards", "--out", "page.html"],
            "found an extractor of the kind random",
        ),
    ],
)
def test_what_an_extractor_cannot_do_is_one_line(
    extractor_folder, monkeypatch, tmp_path, capsys, words, message
):
    monkeypatch.chdir(extractor_folder)
    (extractor_folder / "odd").mkdir(exist_ok=True)
    (extractor_folder / "odd" / "config.json").write_text('{"kind": "odd"}')
    (extractor_folder / "mixed").mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    s2_pixels, s1_pixels = rng.uniform(1, 4000, (10, 20, 20)), rng.uniform(-20, -8, (2, 20, 20))
    for place in (extractor_folder, extractor_folder / "mixed"):
        tiff(place / "s2.tif", s2_pixels, names=MODEL_BANDS["s2"])
    tiff(extractor_folder / "mixed" / "s1.tif", s1_pixels, names=("VV", "VH"))
    suffix = ".tif" if "tif" in words[-1] else ".parquet"
    out = [] if words[0] in ("info", "inspect") else ["--out", tmp_path / f"out{suffix}"]
    assert run(app, [str(word) for word in (*words, *out)]) == 1
    assert message in one_line(capsys.readouterr().err)
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_and_a_recipe_are_wrong_usage(extractor_folder, monkeypatch, capsys):
    monkeypatch.chdir(extractor_folder)
    assert run(app, ["info", "model", "--recipe", "tiny"]) == 2
    assert "--recipe works without a checkpoint, found model" in capsys.readouterr().err


def test_filters_need_patches_of_the_split_train():
    data = SimpleNamespace(
        folder="shards", metadata=lambda names: pa.table({name: ["val", "test"] for name in names})
    )
    with pytest.raises(InputError, match="fitted on the split train, found no patch of it in sha"):
        fitted_on(load_extractor("random-convolutions"), data)
