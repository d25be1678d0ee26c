"""`csmoe_model.probe`: arguments and options that are refused in one line."""

import numpy as np
import pytest
from labelled_sets import bright_and_dark, set_of, split_of
from model_folders import write_model
from training_shards import learnable_shards

import csmoe_model
from csmoe_model.datasets.base import SPLITS
from csmoe_model.probing.options import ProbeOptions
from csmoe_model.probing.probe import probe_set
from minortom.errors import InputError
from minortom.shards.shard_set import ShardSet


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seeds": "3"}, "seeds must be a whole number of at least 1, found '3'"),
        ({"seed": 2**63}, "seed must be below 2"),
        ({"shots": 0}, "shots must be a whole number of at least 1, found 0"),
        ({"lr": "fast", "protocol": "paper"}, "lr must be a number, found 'fast'"),
        ({"protocol": "linear"}, "protocol must be one of standard, paper, found 'linear'"),
        ({"pooling": "max"}, "pooling must be one of cls, mean, both, found 'max'"),
        ({"sensor": "s3"}, "sensor must be one of s2, s1, both, found 's3'"),
        ({"data": "shreds"}, "data must be one of shards, folder, .*, found 'shreds'"),
        ({"out": 3}, r"out must be a path \(str or Path\), found 3"),
    ],
)
def test_an_invalid_argument_is_a_one_line_error(tmp_path, arguments, message):
    data = bright_and_dark({"train": 24, "val": 8, "test": 12})
    words = {"data": data, "root": None, "out": tmp_path / "out", **arguments}
    with pytest.raises(InputError, match=message):
        csmoe_model.probe(tmp_path, **words)


def test_a_cache_inside_the_result_is_refused(tmp_path):
    checkpoint, data = tmp_path / "model", bright_and_dark({"train": 24, "val": 8, "test": 12})
    write_model(checkpoint, ShardSet.open(learnable_shards(tmp_path / "shards")), seed=7)
    out = tmp_path / "out"
    for cache in (out, out / "cache"):
        with pytest.raises(InputError, match=r"--cache must lie outside --out .*, found"):
            csmoe_model.probe(checkpoint, data=data, root=None, out=out, cache=cache)
    assert not out.exists()


def test_options_that_segmentation_does_not_take_are_a_one_line_error(tmp_path):
    checkpoint = tmp_path / "model"
    write_model(checkpoint, ShardSet.open(learnable_shards(tmp_path / "shards")), seed=7)
    splits = {n: split_of({}, np.zeros((2, 4, 4), np.int64)) for n in SPLITS}
    data = set_of(splits, task="segmentation")
    for options, says in (
        (
            ProbeOptions(),
            "own is a segmentation set, which needs --protocol paper and no --pooling, found --pro",
        ),
        (
            ProbeOptions(protocol="paper", pooling="both"),
            "no --pooling, found --protocol paper --pooling both; change",
        ),
        (
            ProbeOptions(protocol="paper"),
            "takes one sensor, found s2, s1 in the model and in own; give --sensor s2",
        ),
    ):
        with pytest.raises(InputError, match=says):
            probe_set(checkpoint, data, tmp_path / "out", options=options)


def test_options_that_do_not_go_together_are_a_one_line_error():
    with pytest.raises(
        InputError,
        match="--lr must be above 0 and applies to --protocol paper only, found --lr 0.1 with",
    ):
        ProbeOptions(lr=0.1)
    with pytest.raises(InputError, match="seeds must be a whole number of at least 1, found 0"):
        ProbeOptions(seeds=0)
