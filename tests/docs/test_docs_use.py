"""The page on using a model: every line of it runs."""

import re

import pytest
import torch
from hub_server import HubHandler
from model_folders import write
from repository import DOCS
from training_shards import MODEL, learnable_shards
from web_server import serving

from csmoe_model.csmoe import CSMoE
from csmoe_model.inference.export_encoder import export
from minortom.errors import InputError
from minortom.shards.shard_set import ShardSet

PAGE = DOCS / "use.md"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the paths of the page, and an empty hub."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN", "-")
    shards = ShardSet.open(learnable_shards(tmp_path / "shards", train=4, val=0))
    write(tmp_path / "runs" / "first" / "model", CSMoE(MODEL), shards.statistics)
    export("runs/first", out=tmp_path / "s2-encoder", sensor="s2")
    export("runs/first", out=tmp_path / "s2-onnx", sensor="s2", format="onnx")
    (tmp_path / "web").mkdir()
    with serving(tmp_path / "web", handler=HubHandler) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield tmp_path


def test_the_examples_of_the_page_run_one_after_the_other(folder):
    *examples, terratorch = re.findall(
        r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL
    )
    names = {}
    for example in examples:
        exec(example, names)

    assert names["vectors"]["s1"].shape == (2, MODEL.width)
    assert names["features"].shape == (2, 40)
    assert names["tokens"].shape == (2, 16**2, MODEL.width)
    assert [one.shape for one in names["maps"]] == [(2, MODEL.width, 16, 16)] * 2
    model = CSMoE.from_pretrained(folder / "runs" / "first")
    wanted = model.encode(**model.prepare(s2=names["chips"]), patch_tokens=True)
    for found, name in (("chip_vectors", "s2"), ("chip_tokens", "s2_tokens")):
        assert abs(names[found] - wanted[name].detach().numpy()).max() < 1e-4
    for name, tensor in names["model"].state_dict().items():
        assert torch.equal(names["again"].state_dict()[name], tensor)

    try:
        import terratorch as installed  # noqa: F401
    except ModuleNotFoundError:
        with pytest.raises(InputError, match="terratorch is not installed"):
            exec(terratorch, {})
