"""The step: no wait for the device, numbers that are read later, one compiled graph."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch._dynamo.testing
from shard_maker import made_up_tensors
from torch.utils._python_dispatch import TorchDispatchMode
from training_runs import SHORT, run
from training_shards import learnable_shards

from csmoe_model.csmoe import CSMoE
from csmoe_model.data.loader import Batch
from csmoe_model.data.normalise import Normalise, signed
from csmoe_model.distributed.device import tensor_cores, weights_to_bfloat16
from csmoe_model.nn.loss_terms import TERMS
from csmoe_model.recipes import recipe
from csmoe_model.runs.csv_log import RunLog
from csmoe_model.training.compile import compiled
from csmoe_model.training.config import TrainConfig
from csmoe_model.training.module import DivergedError
from csmoe_model.training.run import TrainingRun
from csmoe_model.training.step import Objective, adamw, numbers_of, pretrain_batch
from minortom.sensors import GROUPS

TINY = recipe("tiny")
CPU = torch.device("cpu")
STATISTICS = {
    group.column: {
        "bands": group.bands, "mean": [1000.0] * len(group.bands), "std": [500.0] * len(group.bands)
    }
    for group in GROUPS
}  # fmt: skip


def objective(config=TINY):
    torch.manual_seed(0)
    return Objective(CSMoE(config), Normalise(STATISTICS, image_size=config.image_size))


def batch_of(size=3, *, epoch=0, patch_px=56):
    tensors = made_up_tensors(size, patch_px, seed=epoch)
    return Batch(
        epoch=epoch, samples=np.arange(size) + 10 * epoch,
        tensors={column: torch.from_numpy(array) for column, array in tensors.items()},
    )  # fmt: skip


class NoWaiting(TorchDispatchMode):
    """Refuses what would make the CPU wait for a GPU: a value, or a shape that hangs on values."""

    WAIT = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "item", "is_nonzero",
            "equal", "_unique2", "bincount", "repeat_interleave.Tensor")  # fmt: skip

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = str(function).removeprefix("aten.")
        assert not name.startswith(self.WAIT), f"{name} waits for the device"
        if name.startswith(("index.", "index_put")):
            indices = args[1]
            assert not any(i is not None and i.dtype == torch.bool for i in indices), name
        return function(*args, **(kwargs or {}))


def test_reading_the_value_of_a_tensor_is_detected():
    for look in (float, bool, lambda x: torch.zeros(2)[x.bool()[None].expand(2)]):
        with pytest.raises(AssertionError, match="waits|index"), NoWaiting():
            look(torch.ones(()))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"slots": "fixed"},
        {"num_experts": 0},
        {"mi_form": "eq10", "bal_form": "printed"},
        {"condition": "both", "local_global": 0.5},
    ],
    ids=str,
)
def test_a_step_never_waits_for_the_device(changes):
    whole = objective(replace(TINY, **changes))
    optimizer = adamw(whole.model, TrainConfig())
    batch = batch_of()
    # Moving to a device looks at nothing; masks and flips are drawn beforehand, by numpy.
    wanted = pretrain_batch(whole, batch, seed=0, flip=True).loss.detach()
    with NoWaiting():
        output = pretrain_batch(whole, batch, seed=0, flip=True)
        numbers_of(output)
        output.loss.backward()
        gradients = [weight.grad for weight in whole.model.parameters()]
        norm = torch.nn.utils.get_total_norm(gradients)
        torch.nn.utils.clip_grads_with_norm_(whole.model.parameters(), 1.0, norm)
    assert torch.equal(output.loss.detach(), wanted)  # the mode changes no value
    before = [weight.detach().clone() for weight in whole.model.parameters()]
    optimizer.step()  # AdamW on a CPU counts its steps there; a GPU's kernel by itself
    pairs = zip(before, whole.model.parameters(), strict=True)
    assert any(not torch.equal(old, new) for old, new in pairs)


def test_uint16_pixels_are_passed_as_int16_with_the_same_bits():
    normalise = Normalise(STATISTICS, image_size=8)
    stored = {c: torch.from_numpy(a) for c, a in made_up_tensors(2, 8).items()}
    stored["s2_10m"][0, 0, 0] = torch.tensor([0, 1, 32767, 32768, 40000, 65535, 5, 6]).to(
        torch.uint16
    )
    assert signed(stored)["s2_10m"].dtype == torch.int16
    found = normalise(stored)["s2"][0, 0, 0]
    wanted = (torch.tensor([0, 1, 32767, 32768, 40000, 65535, 5, 6]) - 1000.0) / 500.0
    assert torch.equal(found, wanted)


def test_three_steps_compile_once():
    whole = objective()
    counter = torch._dynamo.testing.CompileCounter()
    torch._dynamo.reset()
    forward = torch.compile(whole, backend=counter, fullgraph=True, dynamic=False)
    for epoch in range(3):
        batch = batch_of(epoch=epoch)
        found = pretrain_batch(whole, batch, seed=0, flip=True, forward=forward)
        wanted = pretrain_batch(whole, batch, seed=0, flip=True)
        torch.testing.assert_close(found.loss, wanted.loss)
    assert counter.frame_count == 1


def test_a_backward_pass_that_does_not_compile_fails_with_the_forward_pass(monkeypatch, caplog):
    def no_backward(*_):
        raise RuntimeError("no kernel for it")

    def backend(graph, inputs):
        from torch._dynamo.backends.common import aot_autograd

        return aot_autograd(fw_compiler=lambda g, _: g, bw_compiler=no_backward)(graph, inputs)

    real = torch.compile
    monkeypatch.setattr(torch, "compile", lambda f, **_: real(f, backend=backend))
    monkeypatch.setattr("csmoe_model.training.compile._try_compiler", lambda _: None)
    weight = torch.ones(3, requires_grad=True)
    square = compiled(lambda x: (x * x * weight).sum(), wanted=True, device=CPU)
    with caplog.at_level(logging.WARNING):
        square(torch.arange(3.0)).backward()
    assert "torch.compile failed, continuing without it" in caplog.text
    assert weight.grad.tolist() == [0.0, 1.0, 4.0]


def test_tensor_cores_are_asked_for_on_a_gpu_alone_and_only_for_a_while():
    before = torch.get_float32_matmul_precision()
    with tensor_cores(CPU):
        assert torch.get_float32_matmul_precision() == before
    with tensor_cores(torch.device("cuda")):
        assert torch.get_float32_matmul_precision() == "high"
    assert torch.get_float32_matmul_precision() == before


@pytest.mark.parametrize("changes", [{}, {"slots": "fixed"}, {"num_experts": 0}], ids=str)
def test_narrow_matrices_change_no_bit_of_what_autocast_encodes(changes):
    torch.manual_seed(0)
    model = CSMoE(replace(TINY, **changes)).eval()
    image = torch.randn(2, 10, 56, 56)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        wide = model.encode(s2=image, patch_tokens=True)
        weights_to_bfloat16(model)
        narrow = model.encode(s2=image, patch_tokens=True)
    assert torch.equal(wide["s2_tokens"], narrow["s2_tokens"])
    matrices = [weight for weight in model.backbone.parameters() if weight.ndim > 1]
    learned = 1 if changes.get("slots") == "fixed" else 0
    wide_ones = [weight for weight in matrices if weight.dtype == torch.float32]
    assert len(wide_ones) == 5 * learned  # the learned slots of five layers


@pytest.fixture
def one_unread(monkeypatch):
    """Read the numbers of a step after the next step, as on a GPU."""
    real = TrainingRun._prepare

    def prepare(self, settings, *, fresh):
        module = real(self, settings, fresh=fresh)
        module.steps_unread = 1
        return module

    monkeypatch.setattr(TrainingRun, "_prepare", prepare)


@pytest.mark.usefixtures("one_unread")
def test_numbers_that_are_read_later_give_the_same_log(tmp_path, monkeypatch):
    shards = learnable_shards(tmp_path / "shards")
    config = replace(SHORT, log_every=2, val_every=3)
    seen = []
    run(shards, tmp_path / "later", config, on_step=lambda step, *_: seen.append(step))
    monkeypatch.undo()
    run(shards, tmp_path / "at-once", config)
    later, at_once = (RunLog(tmp_path / name / "log.csv").rows() for name in ("later", "at-once"))
    columns = ("epoch", "step", "split", *TERMS, "lr", "grad_norm")
    assert [[row[c] for c in columns] for row in later] == [
        [row[c] for c in columns] for row in at_once
    ]
    assert seen == list(range(1, config.steps + 1))


@pytest.mark.usefixtures("one_unread")
def test_a_late_error_names_its_step_and_no_checkpoint_is_saved(tmp_path, monkeypatch):
    from csmoe_model import csmoe

    shards = learnable_shards(tmp_path / "shards")
    steps, real = [], csmoe.mutual_information_loss

    def nan_at_the_third(*args, **options):
        steps.append(1)
        return real(*args, **options) * (float("nan") if len(steps) == 3 else 1.0)

    monkeypatch.setattr(csmoe, "mutual_information_loss", nan_at_the_third)
    with pytest.raises(DivergedError, match="at step 3: mi is nan"):
        run(shards, tmp_path / "run", replace(SHORT, val_every=100), save_every=1)
    saved = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert saved["global_step"] == 2
    assert all(weight.isfinite().all() for weight in saved["state_dict"].values())
