"""Short runs for tests of training."""

import os
import signal
from dataclasses import fields

from training_shards import MODEL

from csmoe_model.runs.csv_log import SPEED
from csmoe_model.runs.folder import RunFolder
from csmoe_model.runs.trackers import Tracking
from csmoe_model.training.config import TrainConfig
from csmoe_model.training.configuration import Configuration
from csmoe_model.training.parent import read_parent
from csmoe_model.training.run import Settings, run_training

SHORT = TrainConfig(
    epochs=None, steps=8, batch_size=6, lr=2e-3, log_every=3, val_every=4, warmup=0.25
)  # fmt: skip


QUIET = Tracking(tensorboard=False)
OF_SETTINGS = {field.name for field in fields(Settings)}


def run(shards, out, config=SHORT, *, model=MODEL, parent=None, lengthened=(), **options):
    configuration = Configuration(
        recipe="test", model=model, train=config,
        parent=None if parent is None else read_parent(parent), lengthened=lengthened,
    )  # fmt: skip
    given = {name: options.pop(name) for name in OF_SETTINGS & set(options)}
    settings = Settings(**{"workers": 1, "tracking": QUIET, **given})
    return run_training(shards, out, configuration, settings=settings, **options)


def rows(out, split=None):
    """Return the rows of the log without the columns that depend on the clock."""
    return [
        {name: value for name, value in row.items() if name not in SPEED}
        for row in RunFolder(out).log.rows(split)
    ]


def stop_after(step, number=signal.SIGTERM):
    """Send this process a real signal after a step."""

    def on_step(done, *_):
        if done == step:
            os.kill(os.getpid(), number)

    return on_step
