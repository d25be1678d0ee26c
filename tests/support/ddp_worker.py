"""Scenarios with two processes for tests, all in one start of the processes.

    python ddp_worker.py SHARDS FOLDER    with the environment that torchrun sets

Each scenario has a run's folder with its name below FOLDER. How it ended in this process is
written to FOLDER/outcome-RANK.json.
"""

import json
import math
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch
from training_runs import SHORT, run, stop_after
from training_shards import CONDITIONED, MODEL

import csmoe_model  # sets how OpenMP waits
from csmoe_model import csmoe
from csmoe_model.distributed.launch import process_group
from csmoe_model.training import compile as compiling

RANK = int(os.environ["RANK"])


def raise_exit(number, _):
    raise SystemExit(128 + number)


def nan_here(step):
    """Make one loss term of this process NaN at a step."""
    real, calls = csmoe.reconstruction_loss, []

    def spoilt(*arguments):
        calls.append(1)
        return real(*arguments) * (math.nan if len(calls) == 4 * step else 1)

    csmoe.reconstruction_loss = spoilt
    return real


def diverge(shards, out):
    real = nan_here(2) if RANK == 1 else csmoe.reconstruction_loss
    try:
        run(shards, out, replace(SHORT, val_every=100))
    finally:
        csmoe.reconstruction_loss = real


def compiled(shards, out):
    """Train with the graphs of the compiler, run without code generation."""
    real = torch.compile

    def traced(function, **_):
        return real(function, backend="aot_eager", dynamic=False, fullgraph=True)

    def fell_back(*messages):
        raise AssertionError(messages)

    torch.compile = traced
    compiling._log.warning = fell_back
    try:
        return run(shards, out, replace(SHORT, steps=2, val_every=100), compile=True)
    finally:
        torch.compile = real
        del compiling._log.warning


def stop_one(number, step):
    return stop_after(step, number) if RANK == 1 else lambda *_: None


AS_ARGUMENTS = {
    "workers": 1, "tensorboard": False,
    **MODEL.to_dict(), **{k: v for k, v in SHORT.to_dict().items() if v is not None},
}  # fmt: skip
PARTS = replace(SHORT, batch_size=8, accumulate=2, keep_every=2)


def scenarios(shards, folder):
    yield "whole", lambda out: run(shards, out)
    yield "parts", lambda out: run(shards, out, PARTS)
    yield "terminated", lambda out: run(shards, out, on_step=stop_one(signal.SIGTERM, 3))
    yield "interrupted", lambda out: run(shards, out, on_step=stop_one(signal.SIGINT, 5))
    yield "interrupted", lambda out: run(shards, out, resume=True)
    yield "of-one", lambda out: run(shards, out, resume=True)
    yield "diverged", lambda out: diverge(shards, out)
    yield "uneven", lambda out: run(shards, out, replace(SHORT, batch_size=5))
    yield "missing", lambda out: run(shards if RANK == 0 else folder / "no", out)
    yield "whole", lambda out: run(shards, out, replace(SHORT, seed=9))
    yield "compiled", lambda out: compiled(shards, out)
    short = replace(SHORT, steps=2, val_every=100)
    yield "not-compiled", lambda out: run(shards, out, short)
    yield "conditioned", lambda out: run(shards, out, model=CONDITIONED)
    yield "function", lambda out: csmoe_model.train(shards, out=out, **AS_ARGUMENTS)
    yield "refused", lambda out: csmoe_model.train(shards, out=out, batch_size="4")


def main(shards, folder):
    torch.set_num_threads(1)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, raise_exit)
    ends = []
    with process_group():
        for name, scenario in scenarios(shards, folder):
            try:
                end = scenario(folder / name).status
            except SystemExit as stopped:
                end = f"exit {stopped.code}"
            except Exception as error:  # noqa: BLE001  # written to the outcome
                end = f"{type(error).__name__}: {error}"
            ends.append(end)
    (folder / f"outcome-{RANK}.json").write_text(json.dumps(ends))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
