"""Ensembles from the hub, with a local server in place of the hub."""

import json
import shutil

import numpy as np
import pytest
import torch
from ensemble_fixtures import save_specialist, shrink_archs, two_tasks
from web_server import COMMIT

from csmoe_model.ensembles import build
from csmoe_model.extractors.load import load_extractor
from minortom.errors import InputError


@pytest.fixture
def ensemble(folder, tmp_path, monkeypatch):
    """An ensemble of a specialist, an ensemble of the model, and features without files."""
    shrink_archs(monkeypatch)
    data = two_tasks(groups=6)
    save_specialist(tmp_path / "optical", data, "s2")
    words = {"data": data, "root": None, "select": "all"}
    build([f"model={folder}"], out=tmp_path / "inner", **words)
    build([tmp_path / "optical", tmp_path / "inner", "band-statistics"], out=tmp_path / "outer",
          **words)  # fmt: skip
    return tmp_path / "outer"


def upload(hub, folder, name):
    return shutil.copytree(folder, hub.folder / "models" / name)


def test_an_ensemble_is_loaded_with_its_members(hub, ensemble):
    upload(hub, ensemble, "someone/ensemble")
    rng = np.random.default_rng(0)
    images = {"s2": torch.tensor(rng.normal(1500, 200, (3, 10, 32, 32)), dtype=torch.float32)}
    images["s1"] = torch.tensor(rng.normal(-12, 1, (3, 2, 32, 32)), dtype=torch.float32)

    here, there = load_extractor(ensemble), load_extractor("someone/ensemble")

    assert there.sha256 == here.sha256
    assert torch.equal(there(images), here(images))
    commits = {r.path.split("/")[4] for r in hub.requests if "/members/" in r.path}
    assert commits == {COMMIT}


@pytest.mark.parametrize("key", ["../../secret.json", "a/b", ".."])
def test_an_ensemble_that_names_files_elsewhere_is_refused(hub, ensemble, key):
    there = upload(hub, ensemble, "someone/ensemble")
    manifest = json.loads((there / "ensemble.json").read_text())
    manifest["members"][0]["files"][key] = "0" * 64
    (there / "ensemble.json").write_text(json.dumps(manifest))

    with pytest.raises(InputError, match="ensemble.json is damaged .*the name of a file without f"):
        load_extractor("someone/ensemble")

    assert not any("secret" in request.path for request in hub.requests)
