"""Estimate an epoch on 1, 8 or 64 GPUs: computation, gradients, reading.

    python benchmarks/scaling.py [--step-ms 114] [--world 1,8,64] [--batch 512] [--measure]

The step time of one GPU is an option, or computed from `--share` of `--rate-tflops`; the table
names which. `--measure` trains `tiny` with two processes over gloo and compares the bytes that
they send with the estimate.
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

from csmoe_model.config import ModelConfig
from csmoe_model.nn.cost import pretraining_cost
from csmoe_model.recipes import recipe
from minortom.shards.layout import SampleSpec

PAIRS = round(1_055_080 * 0.95)
"""Pairs in the split `train` of the published data set."""
GPUS_PER_NODE = 8
_OPTIMIZER_BYTES = 7 * 4
"""Bytes of AdamW per weight: reads weight, gradient, two moments; writes all but the gradient."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Assumptions about the hardware."""

    memory_tb_s: float = 4.3
    """Memory bandwidth of a GPU: copies on an H200."""
    node_gb_s: float = 350.0
    """All-reduce within a node ("bus bandwidth"): about 80 % of NVLink's 450 GB/s."""
    net_gb_s: float = 350.0
    """All-reduce between nodes with eight 400 Gbit/s adapters each."""
    disk_gb_s: float = 3.0
    """Reading from a node's local disk: one NVMe drive."""
    hub_gb_s: float = 0.1
    """Download of the shards: about 1 Gbit/s."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """Estimate of an epoch on a number of GPUs."""

    world: int
    batch: int
    """Pairs per step and GPU."""
    compute_ms: float
    reduce_ms: float
    read_gb_s: float
    """Reading rate of each node."""
    best_min: float
    """Duration of an epoch if gradients are summed during the backward pass."""
    worst_min: float
    """Duration of an epoch if gradients are summed after the backward pass."""


def step_ms_of_share(config: ModelConfig, *, batch: int, share: float, rate_tflops: float) -> float:
    """Return the time of a step from its share of the matrix rate."""
    return 6 * pretraining_cost(config).macs_full * batch / (share * rate_tflops * 1e12) * 1e3


def sent_bytes(params: int, world: int) -> float:
    """Return the bytes that each process of a ring sends to sum float32 gradients."""
    return 2 * (world - 1) / world * 4 * params


def epoch(
    config: ModelConfig, *, world: int, batch: int, step_ms: float, step_batch: int,
    machine: Machine,
) -> Row:  # fmt: skip
    """Estimate an epoch from the step time of one GPU for `step_batch` pairs."""
    params = pretraining_cost(config).params_trainable
    fixed_ms = _OPTIMIZER_BYTES * params / machine.memory_tb_s / 1e9
    compute_ms = fixed_ms + (step_ms - fixed_ms) * batch / step_batch
    bandwidth = machine.node_gb_s if world <= GPUS_PER_NODE else machine.net_gb_s
    reduce_ms = sent_bytes(params, world) / bandwidth / 1e6
    steps = PAIRS // (world * batch)
    best_ms, worst_ms = max(compute_ms, reduce_ms), compute_ms + reduce_ms
    on_a_node = min(world, GPUS_PER_NODE) * batch * SampleSpec(patch_px=120).sample_bytes
    return Row(
        world=world, batch=batch, compute_ms=compute_ms, reduce_ms=reduce_ms,
        read_gb_s=on_a_node / best_ms / 1e6,
        best_min=steps * best_ms / 6e4, worst_min=steps * worst_ms / 6e4,
    )  # fmt: skip


def measured_bytes(*, steps: int = 20) -> tuple[float, float]:
    """Train `tiny` with two processes over gloo.

    Returns:
        Bytes that both sent per step, counted at the loopback interface, and the estimate of
        `sent_bytes`. Other traffic on the interface is counted too.
    """
    import torch

    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        torch.multiprocessing.spawn(_train_over_gloo, (str(store), steps), nprocs=2)
        counted = int(store.with_suffix(".bytes").read_text(encoding="utf-8"))
    return counted / steps, 2 * sent_bytes(pretraining_cost(recipe("tiny")).params_trainable, 2)


def _train_over_gloo(rank: int, store: str, steps: int) -> None:
    """Take steps as one of two processes; the first process counts."""
    import torch
    from torch import distributed
    from torch.nn.parallel import DistributedDataParallel

    from csmoe_model.csmoe import CSMoE
    from csmoe_model.nn.masking import draw_masks

    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    config = recipe("tiny")
    model = DistributedDataParallel(CSMoE(config))
    images = [torch.randn(2, bands, config.image_size, config.image_size) for bands in (10, 2)]
    masks = draw_masks(
        range(2), num_patches=config.num_patches, mask_ratio=config.mask_ratio,
        mode=config.mask_mode, seed=0, epoch=0,
    )  # fmt: skip
    before = 0
    for step in range(steps + 2):
        if step == 2:  # the buckets of gradients exist by now
            distributed.barrier()
            before = _loopback_bytes()
        model(*images, masks).loss.backward()
    distributed.barrier()
    if rank == 0:
        counted = _loopback_bytes() - before
        Path(store).with_suffix(".bytes").write_text(str(counted), encoding="utf-8")
    distributed.destroy_process_group()


def _loopback_bytes() -> int:
    lines = Path("/proc/net/dev").read_text(encoding="utf-8").splitlines()
    loopback = next(line for line in lines if line.strip().startswith("lo:"))
    return int(loopback.split(":")[1].split()[8])  # bytes sent


def table(rows: list[Row]) -> str:
    """Return rows as a Markdown table."""
    lines = [
        (
            "| GPUs | pairs per GPU | step, ms | summing gradients, ms | reading, GB/s per node "
            "| epoch, minutes | GPU hours |"
        ),
        "|" + " --- |" * 7,
    ]
    lines += [
        f"| {r.world} | {r.batch} | {r.compute_ms:.1f} | {r.reduce_ms:.1f} | {r.read_gb_s:.2f} "
        f"| {_range(r.best_min, r.worst_min)} "
        f"| {_range(r.world * r.best_min / 60, r.world * r.worst_min / 60)} |"
        for r in rows
    ]
    return "\n".join(lines)


def _range(low: float, high: float) -> str:
    """Return two numbers, or one where they look the same."""
    return " to ".join(dict.fromkeys((f"{low:.2f}", f"{high:.2f}")))


def main() -> None:
    """Print the table and its assumptions."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="csmoe-b16")
    parser.add_argument(
        "--step-ms", type=float, help="measured step time in ms, for --batch pairs on one GPU"
    )
    parser.add_argument(
        "--share", type=float, default=0.45, help="share of --rate-tflops that a step reaches"
    )
    parser.add_argument(
        "--rate-tflops",
        type=float,
        default=790.0,
        help="rate of bfloat16 products on one GPU, in TFLOP/s",
    )
    parser.add_argument("--world", default="1,8,64", help="numbers of GPUs, separated by commas")
    parser.add_argument(
        "--batch", type=int, default=512, help="pairs per step to which the step time applies"
    )
    parser.add_argument(
        "--measure",
        action="store_true",
        help="also count the bytes that two processes send over gloo",
    )
    options = parser.parse_args()
    config, machine = recipe(options.recipe), Machine()
    cost, spec = pretraining_cost(config), SampleSpec(patch_px=120)
    step_ms, where = options.step_ms, "measured"
    if step_ms is None:
        where = f"computed from {options.share:.0%} of {options.rate_tflops:g} TFLOP/s"
        step_ms = step_ms_of_share(
            config, batch=options.batch, share=options.share, rate_tflops=options.rate_tflops
        )
    print(
        f"{options.recipe}: {cost.params_trainable / 1e6:.1f} M weights, "
        f"{cost.macs_full / 1e9:.2f} G multiply-adds a pair; a step of {options.batch} pairs on "
        f"one GPU: {step_ms:.1f} ms, {where}\n{PAIRS:,} pairs an epoch, "
        f"{spec.sample_bytes / 1e3:.0f} kB each: {PAIRS * spec.sample_bytes / 1e9:.0f} GB, "
        f"{PAIRS * spec.sample_bytes / machine.disk_gb_s / 6e10:.1f} minutes at "
        f"{machine.disk_gb_s:g} GB/s, {PAIRS * spec.sample_bytes / machine.hub_gb_s / 6e10:.0f} "
        f"at {machine.hub_gb_s:g} GB/s\n"
    )
    worlds = [int(number) for number in options.world.split(",")]
    cases = [(world, batch) for world in worlds
             for batch in ([options.batch] if world == 1 else [64, options.batch])]  # fmt: skip
    print(table([
        epoch(config, world=world, batch=batch, step_ms=step_ms, step_batch=options.batch,
              machine=machine)
        for world, batch in cases
    ]))  # fmt: skip
    if options.measure:
        counted, wanted = measured_bytes()
        print(f"\ntiny, two processes over gloo: {counted / 1e6:.2f} MB sent a step; the gradients "
              f"alone are {wanted / 1e6:.2f} MB")  # fmt: skip


if __name__ == "__main__":
    main()
