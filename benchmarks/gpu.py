"""Measure the model on a GPU; needs torch, numpy and pyarrow.

    PYTHONPATH=. python benchmarks/gpu.py [--recipe csmoe-b16] [--batch 512] [--only step,encode]

Prints what it finds, and writes it to `benchmarks/gpu-DATE-DEVICE.md`. Takes under 8 minutes on
a data centre's GPU; what does not fit into `--minutes` is left out, and said to be.
With `--recipe tiny --device cpu` it is a test of itself.
"""

import argparse
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass, replace
from pathlib import Path

import gpu_checks
import gpu_encode
import gpu_feed
import gpu_training
import torch
from gpu_report import Report, machine
from gpu_timing import Budget, copy_tb_per_s, matrix_tflops
from gpu_training import StepTime, Training
from gpu_warm import Warming, compile_only

from csmoe_model.config import ModelConfig, recipe
from csmoe_model.device import tensor_cores

SECTIONS = ("step", "profile", "feed", "checks", "encode", "variants")
_WARM_S = 200.0


@dataclass
class Bench:
    """A run, and what its sections know of each other."""

    options: argparse.Namespace
    report: Report
    budget: Budget
    rate_tflops: float = 0.0
    step: StepTime | None = None
    training: Training | None = None
    """What took that step, until its memory is needed."""
    failed: bool = False

    @property
    def device(self) -> torch.device:
        """Where everything runs."""
        return torch.device(self.options.device)

    @property
    def quick(self) -> bool:
        """Whether this is but a test of the program."""
        return self.device.type != "cuda"

    def run(self) -> None:
        """Run the sections, each as long as there is time; a fault ends one, not all."""
        for name in self.options.only:
            needs_s = 0.0 if self.quick else {"variants": 20.0, "feed": 30.0}.get(name, 15.0)
            if not self.budget.has(needs_s):
                self.report.say(f"Left out for want of time: {name}.\n")
                continue
            if name not in ("profile", "feed"):
                self.training = None
            try:
                getattr(self, f"_{name}")()
            except Exception as error:  # noqa: BLE001  # the other sections are still to come
                traceback.print_exc()
                self.failed = True
                self.report.say(f"**{name} failed**: {type(error).__name__}: {error}\n")

    def rates(self) -> None:
        """Measure what the device can do."""
        self.rate_tflops = matrix_tflops(self.device)
        self.report.say(
            f"{machine(self.device)}\n\nMeasured here: bfloat16 products of random matrices "
            f"{self.rate_tflops:.4g} TFLOP/s, copies within memory "
            f"{copy_tb_per_s(self.device):.3g} TB/s (read and written).\n"
        )

    def _time(
        self, name: str, config: ModelConfig, *, plain: bool = False
    ) -> tuple[StepTime, Training]:
        return gpu_training.measure(
            name, config, batch_size=self.options.batch, device=self.device,
            compile_it=self.options.compile and not plain, plain=plain,
            repeats=2 if self.quick else 20, tell=self.report.say,
        )  # fmt: skip

    def _rows(self, times: list[StepTime]) -> None:
        names = ("model", "pairs", "ms a step", "pairs/s", "GMAC a pair", "TFLOP/s",
                 "of the product's rate", "peak GB")  # fmt: skip
        self.report.table(
            names,
            [
                (t.name, t.batch_size, f"{t.ms:.1f}", f"{t.pairs_per_s:,.0f}",
                 f"{t.macs_per_pair / 1e9:.2f}", f"{t.tflops:.3g}",
                 f"{t.tflops / self.rate_tflops:.1%}",
                 "-" if t.peak_gb is None else f"{t.peak_gb:.1f}")
                for t in times
            ],
        )  # fmt: skip

    def _step(self) -> None:
        """Time the training step, and the plain one."""
        self.report.say("## The training step\n")
        name, config = self.options.recipe, recipe(self.options.recipe)
        plain = self._time(f"{name}, plain: eager, a loop over experts", config, plain=True)[0]
        self.step, self.training = self._time(name, config)
        self._rows([self.step, plain])
        faster = self.step.pairs_per_s / plain.pairs_per_s
        self.report.say(
            f"{faster:.2f} × as fast as the plain one. A step: masks and flips drawn, 20 m bands "
            "to 10 m, z-score, flips, resize, forward and backward pass, AdamW, the numbers of "
            "the log read one step later; operations are 6 a multiply-add of the forward pass.\n"
        )

    def _variants(self) -> None:
        """Time the step of other models."""
        self.report.say("## Other models, the same step\n")
        times = [self.step] if self.step else []
        for name, config in gpu_training.variants(self.options.recipe).items():
            if self.step and name == self.step.name:
                continue
            if not self.budget.has(0.0 if self.quick else 20.0):
                self.report.say(f"Left out for want of time: {name}.\n")
                continue
            times.append(self._time(name, config)[0])
        self._rows(times)

    def _checks(self) -> None:
        """Compare with the plain model."""
        seed = int(time.time())
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
        """Time inference."""
        self.report.say("## Encoding whole Sentinel-2 images\n")
        base, times = recipe(self.options.recipe), []
        for patch_size in self._encode_sizes():
            config = replace(base, patch_size=patch_size)
            found = gpu_encode.measure(
                config, batch_size=self.options.images, device=self.device,
                compile_it=self.options.compile, repeats=3 if self.quick else 20,
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
        """Tell where the time of the step goes."""
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
        """Train from shards."""
        batch_size = self.step.batch_size if self.step else self.options.batch
        training = self._trained()
        with tempfile.TemporaryDirectory() as folder, tensor_cores(self.device):
            step_ms = gpu_training.median_ms(training.step, device=self.device, repeats=5)
            shards = gpu_feed.make_shards(
                Path(folder) / "shards", num_pairs=8 * batch_size, patch_px=gpu_training.PATCH_PX
            )
            fed = gpu_feed.measure(
                shards, training, batch_size=batch_size, steps=2 if self.quick else 40,
                step_ms=step_ms,
            )  # fmt: skip
        self.report.say(
            f"## Training from shards\n\n{fed.pairs:,} pairs in the page cache, {fed.threads} "
            f"threads: the loader alone brings {fed.alone_pairs_per_s:,.0f} pairs/s. A step takes "
            f"{fed.fed_step_ms:.1f} ms from shards and {fed.step_ms:.1f} ms on what lies on the "
            f"device: the device waits {fed.idle:.1%} of the time. The CPU waited for a batch "
            f"{fed.loader_waits:.1%} of the time.\n"
        )

    def _trained(self) -> Training:
        """Give what took the step; something like it where that section was not asked for."""
        if self.training is None:
            self.training = Training(
                recipe(self.options.recipe), batch_size=self.options.batch, device=self.device,
                compile_it=self.options.compile,
            )  # fmt: skip
        return self.training

    def warm_up(self) -> None:
        """Compile everything beforehand, on all cores."""
        rest = ["--recipe", self.options.recipe, "--batch", str(self.options.batch),
                "--images", str(self.options.images), "--device", self.options.device]  # fmt: skip
        models, only = list(gpu_training.variants(self.options.recipe)), set(self.options.only)
        names = models[:1] if only & {"step", "profile", "feed"} else []
        names += models[1:] if "variants" in only else []
        names += ["checks"] if "checks" in only else []
        names += [f"encode {size}" for size in self._encode_sizes()] if "encode" in only else []
        warming = Warming([["--warm", name, *rest] for name in names])
        self.report.say(warming.wait(_WARM_S) + ".\n")

    def warm(self, name: str) -> None:
        """Compile one thing, and compute nothing."""
        options, config = self.options, recipe(self.options.recipe)
        with tensor_cores(self.device):
            if name == "checks":
                compile_only([lambda: gpu_checks.check_step(
                    gpu_checks.shallow(config), batch_size=min(8, options.batch),
                    device=self.device, compile_it=True, seed=0)])  # fmt: skip
            elif name.startswith("encode "):
                config = replace(config, patch_size=int(name.split()[1]))
                compile_only(gpu_encode.first_calls(
                    config, batch_size=options.images, device=self.device))  # fmt: skip
            else:
                training = Training(
                    gpu_training.variants(options.recipe)[name], batch_size=options.batch,
                    device=self.device, compile_it=True,
                )  # fmt: skip
                compile_only([training.step])


def main() -> int:
    """Measure, and write the page."""
    options = _options()
    bench = Bench(
        options, Report(f"{options.recipe} measured"), Budget(seconds=options.minutes * 60)
    )
    if options.warm:
        bench.warm(options.warm)
        return 0
    bench.rates()
    if options.compile:
        bench.warm_up()
    bench.run()
    bench.report.say(f"All of it took {bench.budget.spent_s:.0f} s.\n")
    print(f"written to {bench.report.write(options.out, bench.device)}")
    return int(bench.failed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="csmoe-b16")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch", type=int, default=512, help="pairs a training step")
    parser.add_argument("--images", type=int, default=256, help="images encoded at once")
    parser.add_argument("--minutes", type=float, default=7.5, help="that it may take")
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, by commas")
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
