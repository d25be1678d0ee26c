"""Fine-tuning on label maps: UPerNet and encoder are trained end to end."""

import pytest
from label_maps import segmentation_set
from model_folders import write_model
from training_shards import learnable_shards

import csmoe_model
from csmoe_model.csmoe import CSMoE
from csmoe_model.evaluation.metrics import score
from csmoe_model.finetuning.config import FinetuneConfig
from csmoe_model.finetuning.head_files import load_network
from csmoe_model.finetuning.tuning import Tuning
from csmoe_model.training.supervised_config import SupervisedConfig
from minortom.shards.shard_set import ShardSet

SHORT = {
    "epochs": 12, "batch_size": 6, "validations": 4, "lr": 5e-3, "tensorboard": False,
    "drop_path": 0.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """Return a checkpoint that was fine-tuned on bright and dark halves, and its result."""
    folder = tmp_path_factory.mktemp("dense")
    shards = learnable_shards(folder / "shards", train=5, val=0)
    write_model(folder / "model", ShardSet.open(shards), seed=7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("csmoe_model.probing.dense_training.EPOCHS", 4)
        patch.setattr("csmoe_model.probing.dense_heads.CHANNELS", 16)
        patch.setattr("csmoe_model.finetuning.run.NUM_DRAWS", 20)
        result = csmoe_model.finetune(
            folder / "model", data=segmentation_set(), root=None, out=folder / "run", **SHORT
        )
        yield folder / "run", result


def test_label_maps_are_learned_and_compared(tuned):
    run, result = tuned
    assert [row["features"] for row in result.rows] == ["model", "frozen model", "untrained model"]
    assert result.headline == "miou"
    assert result.rows[0]["scores"]["miou"]["value"] > 0.9
    assert CSMoE.from_pretrained(run).sensors == ("s2",)


def test_the_stored_head_gives_the_tested_predictions(tuned):
    run, result = tuned
    network, head = load_network(run / "model", CSMoE.from_pretrained(run))
    data = segmentation_set()
    tuning = Tuning(
        data=data, sensors=("s2",), supervised=SupervisedConfig(), options=FinetuneConfig()
    )
    found = score(tuning.tested(network, {}).test)

    assert head.is_dense
    assert found["miou"] == pytest.approx(result.rows[0]["scores"]["miou"]["value"], abs=1e-6)
