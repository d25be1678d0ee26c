"""Short runs for tests of training."""

import os
import signal

from training_shards import MODEL

from csmoe_model.options import Configuration
from csmoe_model.run_folder import RunFolder
from csmoe_model.train import train
from csmoe_model.train_config import TrainConfig

SHORT = TrainConfig(
    epochs=None, steps=8, batch_size=6, lr=2e-3, log_every=3, val_every=4, warmup=0.25
)  # fmt: skip


def run(shards, out, config=SHORT, **options):
    configuration = Configuration(recipe="test", model=MODEL, train=config)
    return train(shards, out, configuration, **{"workers": 1, **options})


def rows(out, split=None):
    """Rows of the log without what depends on the clock."""
    return [
        {name: value for name, value in row.items() if name != "pairs_per_s"}
        for row in RunFolder(out).log.rows(split)
    ]


def stop_after(step, number=signal.SIGTERM):
    """Send this process a real signal after a step."""

    def on_step(done, *_):
        if done == step:
            os.kill(os.getpid(), number)

    return on_step
