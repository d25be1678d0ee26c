"""Times of training steps of some models, measured in turns on the shards of the planet."""

import time

import numpy as np
from _arms import BATCH_SIZE, claimed, store_of
from _planet_models import shards

from csmoe_model.csmoe import CSMoE
from csmoe_model.data.loader import Loader
from csmoe_model.data.normalise import Normalise
from csmoe_model.data.sampler import OrderedBatches
from csmoe_model.training.config import TrainConfig
from csmoe_model.training.step import Objective, adamw, pretrain_batch
from minortom.shards.shard_set import ShardSet

TIMED_STEPS, WARM_STEPS = 15, 3


def seconds_a_step(out, config_of):
    """Return the median seconds of a step of each arm; measure them once, and store them.

    The steps of all arms take turns, so that all have the same share of a busy machine.

    Args:
        out: Folder of the comparison.
        config_of: Configuration of the model of each arm.
    """
    stored = store_of(out)
    with claimed(out / "locks" / "seconds", wait=True):
        stored.get("seconds", lambda: _timed(config_of))
    return {arm: float(found) for arm, found in stored.read("seconds").items()}


def _timed(config_of):
    data = ShardSet.open(shards("pretraining"))
    order = OrderedBatches(samples=data.indices("train")[:BATCH_SIZE], batch_size=BATCH_SIZE)
    batch = next(iter(Loader(data, order, workers=1)))
    steps, seconds = {}, {arm: [] for arm in config_of}
    for arm, config in config_of.items():
        model = CSMoE(config)
        normalise = Normalise(data.statistics, image_size=config.image_size)
        steps[arm] = Objective(model, normalise), adamw(model, TrainConfig())
    for turn in range(WARM_STEPS + TIMED_STEPS):
        for arm, (objective, optimiser) in steps.items():
            start = time.perf_counter()
            optimiser.zero_grad()
            pretrain_batch(objective, batch, seed=turn, flip=True).loss.backward()
            optimiser.step()
            seconds[arm].append(time.perf_counter() - start)
    return {arm: np.array(np.median(found[WARM_STEPS:])) for arm, found in seconds.items()}
