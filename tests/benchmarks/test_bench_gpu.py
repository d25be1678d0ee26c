"""The GPU benchmark, run at `tiny` size on the CPU; its plain model compared with the real one."""

import os
import subprocess
import sys
from argparse import Namespace
from dataclasses import dataclass, replace

import pytest
import torch
from repository import BENCHMARKS

sys.path.insert(0, str(BENCHMARKS))

import gpu
from gpu_checks import Check, check_step
from gpu_plain import PlainSoftMoE, gradients, plain_twin
from gpu_report import Report
from gpu_timing import Budget, median_ms
from gpu_training import StepTime, variants
from gpu_warm import compile_only

from csmoe_model.nn.cost import encoder_cost
from csmoe_model.nn.soft_moe import SoftMoE
from csmoe_model.recipes import recipe

TINY, CPU = recipe("tiny"), torch.device("cpu")

BARE = """
import runpy, sys
OURS = set('''jaxtyping beartype lightning pytorch_lightning safetensors yaml typer click rich
duckdb pyproj rasterio shapely numba scipy pymoo matplotlib PIL bokeh jinja2 geopandas pandas
requests huggingface_hub platformdirs sklearn faiss blosc2 tensorboard wandb terratorch torchgeo
timm torchvision soft_moe_pytorch einops distributed dask datasets tqdm affine'''.split())

class WithoutOurs:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name.partition('.')[0] in OURS else self.finder.find_spec(name, path, target)

sys.meta_path[:] = map(WithoutOurs, sys.meta_path)
sys.path[:0] = [sys.argv[1], sys.argv[2]]
sys.argv = sys.argv[3:]
runpy.run_path(sys.argv[0], run_name='__main__')
"""


def test_the_benchmark_runs_with_torch_numpy_and_pyarrow_alone(tmp_path):
    script = BENCHMARKS / "gpu.py"
    done = subprocess.run(
        [
            sys.executable, "-c", BARE, BENCHMARKS, BENCHMARKS.parent, script, "--recipe", "tiny",
            "--device", "cpu", "--batch", "2", "--images", "2", "--seed", "1",
            "--out", tmp_path,
        ],
        capture_output=True, text=True, check=False,
        # Threads that wait for each other on a busy machine take twenty times as long as one.
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (page,) = tmp_path.glob("gpu-2*.md")
    text = page.read_text()
    for wanted in (
        "# tiny measured", "torch 2", "TFLOP/s", "× as fast as the plain one", "| all gradients |",
        "soft-moe-pytorch is not installed", "| ViT-B | plain | 2 |", "aten::bmm",
        "the device waits", "| tiny, slots fixed |", "| tiny, no experts |",
    ):  # fmt: skip
        assert wanted in text
    assert "failed" not in text
    assert "DIFFERS" not in text


@dataclass
class Clock:
    """A budget with a clock that the test sets."""

    seconds: float
    spent_s: float = 0.0

    def has(self, seconds):
        return self.seconds - self.spent_s >= seconds


def bench_of(monkeypatch, *, device, clock, broken=()):
    """A benchmark whose models take a minute each, or fail."""

    def measure(name, *_, **__):
        clock.spent_s += 60
        if name in broken:
            raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate")
        return StepTime(name=name, batch_size=2, ms=10.0, macs_per_pair=1000, peak_gb=None), None

    monkeypatch.setattr(gpu.gpu_training, "measure", measure)
    options = Namespace(
        recipe="tiny", device=device, batch=2, compile=False, only=["step", "variants"]
    )
    bench = gpu.Bench(options, Report("test"), clock)
    bench.run()
    return bench, "\n".join(bench.report.lines)


@pytest.mark.parametrize("broken", ["tiny", "tiny, plain", "tiny, slots fixed"])
def test_what_fails_is_said_and_all_else_is_still_told(monkeypatch, broken):
    bench, text = bench_of(monkeypatch, device="cpu", clock=Clock(9e9), broken=(broken,))
    assert bench.failed
    assert f"**{broken} failed**: OutOfMemoryError: CUDA out of memory.\n" in text
    for name in {"tiny", "tiny, plain", "tiny, slots fixed", "tiny, no experts"} - {broken}:
        assert f"| {name} | 2 | 10.0 | 200 |" in text


def test_nothing_begins_that_may_last_longer_than_is_left(monkeypatch):
    # Each took 60 s, after which the next would begin with 20 s, or 35, left.
    _, text = bench_of(monkeypatch, device="cuda", clock=Clock(140))
    assert "Left out for want of time: variants." in text
    _, text = bench_of(monkeypatch, device="cuda", clock=Clock(215))
    assert "Left out for want of time: tiny, no experts." in text
    assert "| tiny, slots fixed | 2 |" in text


def test_a_second_page_of_a_day_stands_beside_the_first(tmp_path):
    paths = [Report("test").write(tmp_path, CPU) for _ in range(3)]
    assert len(set(paths)) == 3
    assert paths[2].name == f"{paths[0].stem}-3.md"


def test_it_refuses_a_section_that_there_is_not():
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "gpu.py", "--only", "step,speed"],
        capture_output=True, text=True, check=False, cwd=BENCHMARKS.parent,
        env={"PYTHONPATH": "."},
    )  # fmt: skip
    assert done.returncode == 2
    assert "no section speed; there are step, profile" in done.stderr


@pytest.mark.parametrize("slots", ["dynamic", "fixed"])
@pytest.mark.parametrize("tokens", [16, 19])
def test_the_plain_layer_computes_what_the_fast_one_does_with_the_same_gradients(slots, tokens):
    torch.manual_seed(0)
    fast = SoftMoE(width=24, hidden_width=48, num_experts=4, slots=slots, slots_per_expert=2)
    with torch.no_grad():
        for weight in fast.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    plain = plain_twin(torch.nn.Sequential(fast))
    assert isinstance(plain[0], PlainSoftMoE)
    x_BND = torch.randn(3, tokens, 24)

    found, routing = fast(x_BND)
    wanted, plain_routing = plain[0](x_BND)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    for name in ("dispatch_BNES", "combine_BNES", "slots_BESD"):
        torch.testing.assert_close(
            getattr(routing, name), getattr(plain_routing, name), rtol=1e-4, atol=1e-5
        )
    found.square().sum().backward()
    wanted.square().sum().backward()
    theirs = gradients(plain)
    for name, gradient in gradients(torch.nn.Sequential(fast)).items():
        torch.testing.assert_close(gradient, theirs.pop(name), rtol=1e-3, atol=1e-4)
    assert not theirs


@pytest.mark.parametrize("slots", ["dynamic", "fixed"])
def test_the_fast_step_errs_in_bfloat16_no_more_than_the_plain_one_does(slots):
    seed = int(torch.randint(2**31, ()))  # fresh numbers each time
    found = check_step(
        replace(TINY, slots=slots), batch_size=4, device=CPU, compile_it=False, seed=seed
    )
    assert [check for check in found if not check.passed] == [], seed
    assert {check.what for check in found} >= {"loss terms", "all gradients"}


def test_a_wrong_result_and_one_that_is_no_number_do_not_pass():
    assert Check(what="", fast=0.011, plain=0.010).passed
    assert not Check(what="", fast=0.05, plain=0.010).passed
    assert not Check(what="", fast=float("nan"), plain=0.010).passed


def test_the_published_models_and_csmae_at_the_same_images_are_among_the_variants():
    found = variants("csmoe-b16")
    assert next(iter(found)) == "csmoe-b16"
    assert {config.patch_size for config in found.values()} == {16, 32, 28, 14}
    # The paper's neighbour, whose 17.1 B multiply-adds are of ViT-B at 224 and 16.
    assert round(encoder_cost(found["csmae, 224 / 16"]).macs_paper / 1e9, 1) == 17.1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the compiler's own imports
def test_a_call_that_is_compiled_beforehand_does_not_run(monkeypatch):
    from csmoe_model.training import compile as compiling

    monkeypatch.setattr(torch, "compile", torch.compile)
    monkeypatch.setattr(compiling, "_try_compiler", compiling._try_compiler)
    monkeypatch.setattr("torch._inductor.compile_fx.compile_fx", lambda *_, **__: made.append(1))
    ran, made = [], []

    def call():
        run = compiling.compiled(lambda x: x + 1, wanted=True, device=CPU)
        ran.append(run(torch.ones(2)))

    compile_only([call, call])
    assert (made, ran) == ([1, 1], [])


def test_a_median_of_times_leaves_the_first_calls_out():
    calls = []
    assert median_ms(lambda: calls.append(1), device=CPU, repeats=3) < 100
    assert len(calls) == 4
    assert Budget(seconds=100).has(50)
    assert not Budget(seconds=1, started=0.0).has(0)
