"""Micro-batches, the average of the weights, a batch that does not fit, the compiled model."""

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from training_runs import SHORT, rows, run, stop_after

from csmoe_model import csmoe
from csmoe_model.csmoe import CSMoE
from csmoe_model.distributed.launch import Launch
from csmoe_model.extractors.checkpoint import load_model
from csmoe_model.nn import pretrain_output
from csmoe_model.nn.loss_terms import TERMS
from csmoe_model.runs.folder import RunFolder
from csmoe_model.training import out_of_memory as memory
from csmoe_model.training.ema import Ema
from csmoe_model.training.out_of_memory import FullMemoryError
from minortom.errors import InputError

pytest_plugins = ("training_fixtures",)
pytestmark = pytest.mark.usefixtures("small_steps")
EIGHT = replace(SHORT, batch_size=8, steps=4, log_every=1, val_every=100)


def weights_of(folder):
    return load_file(folder / "model.safetensors")


def test_micro_batches_give_the_step_of_the_whole_batch(shards, tmp_path, monkeypatch):
    # Contrast and balance see a part alone; without them a step is the same however it is cut.
    monkeypatch.setattr(csmoe, "mutual_information_loss", lambda s2, s1, **_: 0 * (s2 + s1).sum())
    monkeypatch.setattr(pretrain_output, "imbalance_loss", lambda usage: 0 * usage.sum(-1))
    gradients, step = {}, torch.optim.AdamW.step

    def spy(self, closure=None, **options):
        result = step(self, closure, **options)
        grads = [p.grad.flatten() for group in self.param_groups for p in group["params"]]
        gradients.setdefault(parts, torch.cat(grads).clone())
        return result

    monkeypatch.setattr(torch.optim.AdamW, "step", spy)
    for parts in (1, 2, 4):
        run(shards, tmp_path / str(parts), replace(EIGHT, accumulate=parts))
    whole = rows(tmp_path / "1", "train")
    for parts in (2, 4):
        torch.testing.assert_close(gradients[parts], gradients[1], atol=1e-5, rtol=1e-5)
        for mine, theirs in zip(rows(tmp_path / str(parts), "train"), whole, strict=True):
            for name in TERMS:
                assert float(mine[name]) == pytest.approx(float(theirs[name]), abs=1e-5), name


def test_a_run_with_micro_batches_resumes_exactly(shards, tmp_path):
    config = replace(EIGHT, accumulate=2)
    run(shards, tmp_path / "whole", config)
    with pytest.raises(KeyboardInterrupt):
        run(shards, tmp_path / "stopped", config, on_step=stop_after(3, 2))
    found = torch.load(RunFolder(tmp_path / "stopped").checkpoint, weights_only=True)
    assert found["global_step"] == 3
    run(shards, tmp_path / "stopped", config, resume=True)
    assert rows(tmp_path / "stopped") == rows(tmp_path / "whole")


def test_the_average_is_the_mean_of_all_steps_and_then_exponential():
    model = torch.nn.Linear(1, 1, bias=False)
    average = Ema(model, decay=0.75)
    with torch.no_grad():
        for step, value in enumerate([4.0, 8.0, 6.0, 2.0, 9.0], start=1):
            model.weight.fill_(value)
            average.update(model, step=step)
    # (4 + 8 + 6 + 2) / 4 = 5, whose part is 3 / 4 from then on.
    assert float(average.model.weight) == pytest.approx(5 * 0.75 + 9 * 0.25)


def test_the_average_is_saved_and_resumes(shards, tmp_path):
    config = replace(SHORT, ema_decay=0.6)
    whole, stopped = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "stopped")
    seen, step = [], torch.optim.AdamW.step

    def spy(self, closure=None, **options):
        result = step(self, closure, **options)
        seen.append(self.param_groups[0]["params"][0].detach().clone())
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", spy)
        run(shards, whole.path, config)
    with pytest.raises(KeyboardInterrupt):
        run(shards, stopped.path, config, on_step=stop_after(5, 2))
    run(shards, stopped.path, config, resume=True)
    found = weights_of(whole.ema)
    for name, weight in weights_of(stopped.ema).items():
        assert torch.equal(weight, found[name]), name

    average = seen[0]
    for number, weight in enumerate(seen[1:], start=2):
        decay = min(0.6, (number - 1) / number)
        average = decay * average + (1 - decay) * weight
    first = next(iter(CSMoE(load_model(whole.path, device=torch.device("cpu")).model.config)
                      .parameter_groups(0.05)[0]["params"]))  # fmt: skip
    names = [name for name, weight in found.items() if weight.shape == first.shape]
    assert any(torch.allclose(found[name], average, atol=1e-6) for name in names)
    assert not (RunFolder(tmp_path / "whole").model / "ema").exists()
    assert load_model(whole.ema, device=torch.device("cpu")).name == "test"


def test_the_average_does_not_change_the_run(shards, finished, tmp_path):
    run(shards, tmp_path / "run", replace(SHORT, ema_decay=0.99))
    assert rows(tmp_path / "run") == rows(finished)
    assert not RunFolder(finished).ema.exists()


@pytest.fixture
def small_gpu(monkeypatch):
    """Simulate a model that runs out of memory with more than some pairs."""
    real = CSMoE.forward
    limit = [2]

    def forward(self, s2, s1, masks, **options):
        if len(s2) > limit[0]:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")
        return real(self, s2, s1, masks, **options)

    monkeypatch.setattr(CSMoE, "forward", forward)
    return limit


def test_the_batch_size_is_tried_on_the_device_of_the_failure(shards, tmp_path, monkeypatch):
    """Lightning moves the model to the CPU after a failure, where any batch fits."""
    asked, real = [], memory._fits
    monkeypatch.setattr(CSMoE, "forward", out_of_memory)
    monkeypatch.setattr(Launch, "device", torch.device("meta"))
    monkeypatch.setattr("csmoe_model.training.loop.TrainingLoop._fit", lambda *_, **__: True)
    monkeypatch.setattr(memory, "autocast", lambda _: nullcontext())
    monkeypatch.setattr(
        memory, "_fits", lambda run, pairs, device: asked.append(run) or real(run, pairs, device)
    )
    with pytest.raises(FullMemoryError, match="even with one pair"):
        run(shards, tmp_path / "run", EIGHT)
    assert len(asked) == 3  # 4, 2, 1
    assert {weight.device.type for weight in asked[0].model.parameters()} == {"meta"}


def out_of_memory(*_):
    raise torch.OutOfMemoryError("CUDA out of memory")


@pytest.mark.usefixtures("small_gpu")
def test_a_batch_that_does_not_fit_is_an_error_that_names_sizes_that_fit(shards, tmp_path):
    with pytest.raises(FullMemoryError) as raised:
        run(shards, tmp_path / "run", EIGHT)
    assert str(raised.value) == (
        "CUDA is out of memory with 8 pairs per process and micro-batch; 2 fit: use "
        "--batch-size 2, or keep the batch of 8 and use --accumulate 4"
    )
    run(shards, tmp_path / "smaller", replace(EIGHT, batch_size=2, steps=1))
    run(shards, tmp_path / "parts", replace(EIGHT, accumulate=4, steps=1))


def test_a_model_that_does_not_fit_at_all_is_an_error(shards, tmp_path, small_gpu):
    small_gpu[0] = 0
    with pytest.raises(FullMemoryError, match="even with one pair per process; choose a smaller"):
        run(shards, tmp_path / "run", EIGHT)


def test_the_sizes_that_fit_are_totals_over_all_processes(shards, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_fits", lambda _, pairs, __: pairs <= 3)
    module = []
    monkeypatch.setattr(
        "csmoe_model.training.loop.TrainingLoop._fit",
        lambda self, *_, **__: module.append(self.run),
    )
    with pytest.raises(InputError, match="found none"):  # no step, no row
        run(shards, tmp_path / "run", replace(SHORT, batch_size=16))
    message = str(memory.full_memory_error(module[0], world_size=2, device=torch.device("cpu")))
    # 8 pairs a process; half of them are 4, half of those 2.
    assert "with 8 pairs per process and micro-batch; 2 fit: use --batch-size 4" in message
    assert "keep the batch of 16 and use --accumulate 4" in message


def test_without_a_compiler_the_run_continues_uncompiled(
    shards, finished, tmp_path, monkeypatch, caplog
):
    def no_compiler(*_, **__):
        raise RuntimeError("no compiler here\nand more lines")

    monkeypatch.setattr(torch, "compile", no_compiler)
    run(shards, tmp_path / "run", compile=True)
    assert (
        "torch.compile does not work here, continuing without it: no compiler here"
        in caplog.messages
    )
    assert rows(tmp_path / "run") == rows(finished)


def test_a_model_that_does_not_compile_continues_uncompiled(
    shards, finished, tmp_path, monkeypatch, caplog
):
    def broken(function, **_):
        def call(*_):
            raise torch._dynamo.exc.Unsupported("strange model")

        return function if isinstance(function, torch.nn.Module) else call

    monkeypatch.setattr(torch, "compile", broken)
    run(shards, tmp_path / "run", compile=True)
    assert caplog.messages == ["torch.compile failed, continuing without it: strange model"]
    assert rows(tmp_path / "run") == rows(finished)


def test_nothing_is_compiled_on_a_cpu_by_default(shards, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(torch, "compile", lambda *_, **__: calls.append(1))
    run(shards, tmp_path / "run", replace(SHORT, steps=1))
    run(shards, tmp_path / "no", replace(SHORT, steps=1), compile=False)
    assert calls == []


@pytest.mark.soak
@pytest.mark.filterwarnings("ignore")  # of the compiler about its own code
def test_the_compiled_model_computes_the_same(shards, tmp_path, caplog):
    config = replace(SHORT, steps=3, log_every=1, val_every=100)
    run(shards, tmp_path / "compiled", config, compile=True)
    run(shards, tmp_path / "plain", config)
    assert [r.message for r in caplog.records if r.name.startswith("csmoe_model")] == []
    compiled, plain = (rows(tmp_path / name, "train") for name in ("compiled", "plain"))
    for mine, theirs in zip(compiled, plain, strict=True):
        assert float(mine["loss"]) == pytest.approx(float(theirs["loss"]), rel=1e-4)
