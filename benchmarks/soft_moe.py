"""Measure the soft mixture-of-experts layer and `soft-moe-pytorch`, forward and backward.

    python benchmarks/soft_moe.py [--batch 16] [--tokens 99] [--threads 2] [--device cpu]

The default is one layer of csmoe-b16 on a masked image: 98 visible patches and [CLS].
Both layers have the same sizes and run on the same tokens, in turns; medians are shown.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import torch
from soft_moe_pytorch import DynamicSlotsSoftMoE
from torch import Tensor, nn

from csmoe_model.nn.soft_moe import SoftMoE

WIDTH, EXPERTS, HIDDEN = 768, 8, 3072


def main() -> None:
    """Print the median seconds per step of both layers, and their ratio."""
    options = _options()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    device = torch.device(options.device)
    ours = SoftMoE(width=WIDTH, hidden_width=HIDDEN, num_experts=EXPERTS).to(device)
    theirs = DynamicSlotsSoftMoE(WIDTH, num_experts=EXPERTS, expert_mult=HIDDEN // WIDTH).to(device)
    x_BND = torch.randn(options.batch, options.tokens, WIDTH, device=device)

    print(f"torch {torch.__version__}, {_machine(device)}, {options.threads} threads")
    print(f"tokens [{options.batch}, {options.tokens}, {WIDTH}], {EXPERTS} experts, {x_BND.dtype}")
    layers: dict[str, Callable[[Tensor], Tensor]] = {
        "soft-moe-pytorch": theirs,
        "csmoe_model": lambda x: ours(x)[0],
    }
    modules: dict[str, nn.Module] = {"soft-moe-pytorch": theirs, "csmoe_model": ours}
    seconds: dict[str, list[float]] = {name: [] for name in layers}
    for turn in range(options.repeats + 2):
        for name, layer in layers.items():
            spent = _step(layer, modules[name], x_BND)
            if turn >= 2:  # the first turns warm up caches and allocators
                seconds[name].append(spent)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, median in medians.items():
        print(f"{name:18} {median * 1e3:9.1f} ms")
    print(f"{'speed-up':18} {medians['soft-moe-pytorch'] / medians['csmoe_model']:9.2f} x")


def _step(layer: Callable[[Tensor], Tensor], module: nn.Module, x_BND: Tensor) -> float:
    module.zero_grad(set_to_none=True)
    x_BND = x_BND.detach().requires_grad_()
    start = time.perf_counter()
    layer(x_BND).square().mean().backward()
    if x_BND.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start


def _machine(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=99)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--device", default="cpu")
    return parser.parse_args()


if __name__ == "__main__":
    main()
