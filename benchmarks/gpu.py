"""Measure the model on a GPU; needs torch, numpy and pyarrow.

    PYTHONPATH=. python benchmarks/gpu.py [--recipe csmoe-b16] [--batch 512] [--only step,encode]

Prints the results and writes them to `benchmarks/gpu-DATE-DEVICE.md`. Sections that do not fit
into `--minutes` are left out, and the page names them.
With `--recipe tiny --device cpu` the program tests itself.
"""

import argparse
import math
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import gpu_checks
import gpu_encode
import gpu_feed
import gpu_training
import torch
from gpu_report import Report, machine
from gpu_timing import Budget, copy_tb_per_s, matrix_tflops
from gpu_training import StepTime, Training, step_table
from gpu_warm import Warming, compile_named

from csmoe_model.config import ModelConfig
from csmoe_model.distributed.device import tensor_cores
from csmoe_model.recipes import recipe

SECTIONS = ("step", "profile", "feed", "checks", "encode", "variants")
_WARM_S = 200.0
R = TypeVar("R")


@dataclass
class Bench:
    """A run of the benchmark, and the values that its sections share."""

    options: argparse.Namespace
    report: Report
    budget: Budget
    rate_tflops: float = math.nan
    longest_s: float = 20.0
    """Seconds allowed for one more model: those of the slowest so far, including compilation."""
    step: StepTime | None = None
    training: Training | None = None
    """The model that took that step, until its memory is needed."""
    failed: bool = False

    @property
    def device(self) -> torch.device:
        """Return the device."""
        return torch.device(self.options.device)

    @property
    def quick(self) -> bool:
        """Return whether this run only tests the program."""
        return self.device.type != "cuda"

    def run(self) -> None:
        """Run the sections while there is time; an error ends only its section."""
        for name in self.options.only:
            if self._in_time(name, {"feed": 30.0, "profile": 15.0}.get(name, self.longest_s)):
                if name not in ("profile", "feed"):
                    self.training = None
                self.attempt(name, getattr(self, f"_{name}"))

    def attempt(self, what: str, call: Callable[[], R]) -> R | None:
        """Call a function; report an error and continue."""
        try:
            return call()
        except Exception as error:  # noqa: BLE001  # the other sections may still work
            traceback.print_exc()
            self.failed = True
            told = (str(error).strip().splitlines() or [""])[0][:300]
            self.report.say(f"**{what} failed**: {type(error).__name__}: {told}\n")
        return None

    def _in_time(self, name: str, needs_s: float) -> bool:
        """Return whether there is time for a section; report it if not."""
        if self.quick or self.budget.has(needs_s):
            return True
        self.report.say(f"Left out for want of time: {name}.\n")
        return False

    def rates(self) -> None:
        """Measure the peak rates of the device."""
        self.report.say(f"{machine(self.device)}\n")
        self.rate_tflops = matrix_tflops(self.device)
        self.report.say(
            "Measured here: bfloat16 products of random matrices "
            f"{self.rate_tflops:.4g} TFLOP/s, copies within memory "
            f"{copy_tb_per_s(self.device):.3g} TB/s (read and written).\n"
        )

    def _time(
        self, name: str, config: ModelConfig, *, plain: bool = False
    ) -> tuple[StepTime, Training] | None:
        """Measure the time of a model's step; return None if it fails."""
        started = self.budget.spent_s
        found = self.attempt(name, lambda: gpu_training.measure(
            name, config, batch_size=self.options.batch, device=self.device,
            compile_it=self.options.compile and not plain, plain=plain,
            repeats=2 if self.quick else 20, tell=self.report.say,
        ))  # fmt: skip
        self.longest_s = max(self.longest_s, self.budget.spent_s - started)
        return found

    def _step(self) -> None:
        """Measure the training step of the fast and the plain model."""
        self.report.say("## The training step\n")
        name, config = self.options.recipe, recipe(self.options.recipe)
        # Only the first of the pair: the plain model must not hold memory any more.
        plain = (self._time(f"{name}, plain", config, plain=True) or [None])[0]
        self.step, self.training = self._time(name, config) or (None, None)
        both = [time for time in (self.step, plain) if time is not None]
        self.report.table(*step_table(both, self.rate_tflops))
        if self.step and plain:
            faster = self.step.pairs_per_s / plain.pairs_per_s
            self.report.say(f"{faster:.2f} × as fast as the plain one.\n")
        self.report.say(
            "A step: masks and flips drawn, 20 m bands to 10 m, z-score, flips, resize, forward "
            "and backward pass in bfloat16 by autocast, AdamW, the numbers of the log read one "
            "step later; operations are 6 a multiply-add of the forward pass. The plain one: "
            "eager, experts one after the other, routing by einsums, and torch's defaults, which "
            "are float32 products without TF32 and AdamW that is not fused; its numbers are read "
            "in the same step.\n"
        )

    def _variants(self) -> None:
        """Measure the step of other models."""
        self.report.say("## Other models, the same step\n")
        times = [self.step] if self.step else []
        for name, config in gpu_training.variants(self.options.recipe).items():
            known = self.step is not None and name == self.step.name
            if (
                not known
                and self._in_time(name, self.longest_s)
                and (found := self._time(name, config))
            ):
                times.append(found[0])
                del found  # and the model that took the step
        self.report.table(*step_table(times, self.rate_tflops))

    def _checks(self) -> None:
        """Compare the results with those of the plain model."""
        seed = int(time.time()) if self.options.seed is None else self.options.seed
        found = gpu_checks.check_step(
            gpu_checks.shallow(recipe(self.options.recipe)), batch_size=min(8, self.options.batch),
            device=self.device, compile_it=self.options.compile, seed=seed,
        )  # fmt: skip
        self.report.say(f"## Fast against plain, random numbers of seed {seed}\n")
        self.report.table(
            ("error against the plain model in float32", "fast, bfloat16", "plain, bfloat16", ""),
            [
                (c.what, f"{c.fast:.2e}", f"{c.plain:.2e}", "same" if c.passed else "**DIFFERS**")
                for c in found
            ],
        )
        self.failed |= not all(check.passed for check in found)

    def _encode(self) -> None:
        """Measure inference."""
        self.report.say("## Encoding whole Sentinel-2 images\n")
        base, times = recipe(self.options.recipe), []
        for patch_size in self._encode_sizes():
            config = replace(base, patch_size=patch_size)
            found = gpu_encode.measure(
                config, batch_size=self.options.images, device=self.device,
                compile_it=self.options.compile, repeats=3 if self.quick else 20,
                attempt=self.attempt,
            )  # fmt: skip
            times += [(patch_size, time) for time in found]
        if all(time.name != "soft-moe-pytorch" for _, time in times):
            self.report.say("soft-moe-pytorch is not installed, so it is missing below.\n")
        self.report.table(
            ("patch", "encoder", "how", "images", "ms", "images/s"),
            [
                (patch, t.name, t.how, t.batch_size, f"{t.ms:.2f}", f"{t.images_per_s:,.0f}")
                for patch, t in times
            ],
        )

    def _encode_sizes(self) -> list[int]:
        own = recipe(self.options.recipe).patch_size
        return [own] if self.quick else list(dict.fromkeys((own, 32)))

    def _profile(self) -> None:
        """Report the operations that take the time of a step."""
        from torch.profiler import ProfilerActivity, profile

        training = self._trained()
        activities = [ProfilerActivity.CPU] + ([] if self.quick else [ProfilerActivity.CUDA])
        with tensor_cores(self.device):
            training.step()
            with profile(activities=activities) as found:
                for _ in range(1 if self.quick else 3):
                    training.step()
                if not self.quick:
                    torch.cuda.synchronize()
        key = "self_cpu_time_total" if self.quick else "self_device_time_total"
        table = found.key_averages().table(sort_by=key, row_limit=24, max_name_column_width=70)
        self.report.say(f"## Where the time of a step goes\n\n```\n{table}\n```\n")

    def _feed(self) -> None:
        """Measure training from shards."""
        batch_size = self.step.batch_size if self.step else self.options.batch
        training = self._trained()
        with tempfile.TemporaryDirectory() as folder, tensor_cores(self.device):
            shards = gpu_feed.make_shards(
                Path(folder) / "shards", num_pairs=8 * batch_size, patch_px=gpu_training.PATCH_PX
            )
            fed = gpu_feed.measure(
                shards, training, batch_size=batch_size, steps=2 if self.quick else 40
            )
        self.report.say(
            f"## Training from shards\n\n{fed.pairs:,} pairs in the page cache, {fed.threads} "
            f"threads: the loader alone brings {fed.alone_pairs_per_s:,.0f} pairs/s. A step takes "
            f"{fed.fed_step_ms:.1f} ms from shards and {fed.step_ms:.1f} ms on what lies on the "
            f"device: the device waits {fed.idle:.1%} of the time. The CPU waited for a batch "
            f"{fed.loader_waits:.1%} of the time.\n"
        )

    def _trained(self) -> Training:
        """Return the model that took the step; a new one if that section did not run."""
        if self.training is None:
            self.training = Training(
                recipe(self.options.recipe), batch_size=self.options.batch, device=self.device,
                compile_it=self.options.compile,
            )  # fmt: skip
        return self.training

    def warm_up(self) -> None:
        """Compile all models in advance, on all cores."""
        rest = ["--recipe", self.options.recipe, "--batch", str(self.options.batch),
                "--images", str(self.options.images), "--device", self.options.device]  # fmt: skip
        models, only = list(gpu_training.variants(self.options.recipe)), set(self.options.only)
        names = models[:1] if only & {"step", "profile", "feed"} else []
        names += models[1:] if "variants" in only else []
        names += ["checks"] if "checks" in only else []
        names += [f"encode {size}" for size in self._encode_sizes()] if "encode" in only else []
        warming = Warming([["--warm", name, *rest] for name in names])
        self.report.say(warming.wait(_WARM_S) + ".\n")


def main() -> int:
    """Run the benchmark and write the page."""
    options = _options()
    if options.warm:
        sizes = {"batch_size": options.batch, "images": options.images}
        compile_named(options.warm, options.recipe, device=torch.device(options.device), **sizes)
        return 0
    title = f"{options.recipe} measured on {datetime.now(UTC):%Y-%m-%d}"
    bench = Bench(options, Report(title), Budget(seconds=options.minutes * 60))
    try:
        bench.attempt("the device's own rates", bench.rates)
        if options.compile:
            bench.attempt("compiling beforehand", bench.warm_up)
        bench.run()
    finally:  # results before an interrupt are kept
        bench.report.say(f"All of it took {bench.budget.spent_s:.0f} s.\n")
        print(f"written to {bench.report.write(options.out, bench.device)}")
    return int(bench.failed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="csmoe-b16")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch", type=int, default=512, help="pairs per training step")
    parser.add_argument("--images", type=int, default=256, help="images encoded at once")
    parser.add_argument("--minutes", type=float, default=7.5, help="maximum duration")
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, separated by commas")
    parser.add_argument("--seed", type=int, help="seed of the checks; random by default")
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=None)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--warm", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.only = options.only.split(",")
    if unknown := [name for name in options.only if name not in SECTIONS]:
        parser.error(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    if options.device == "cpu" and options.recipe == "csmoe-b16" and options.minutes == 7.5:
        print("no GPU: this will take long; try --recipe tiny --batch 8 --images 8")
    if options.compile is None:
        options.compile = options.device != "cpu"
    return options


if __name__ == "__main__":
    sys.exit(main())
