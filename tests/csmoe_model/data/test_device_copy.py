"""Transfers of batches to a device: later reads never overwrite a batch that is being copied."""

import contextlib

import numpy as np
import pytest
import torch
from shard_maker import made_up_tensors, write_made_up_shards

from csmoe_model.data import device_copy
from csmoe_model.data import loader as data
from csmoe_model.data.loader import Loader
from csmoe_model.data.sampler import ShuffledBatches
from minortom.shards.shard_set import ShardSet


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("transfers") / "shards"
    write_made_up_shards(folder, num_patches=50, num_val=10)
    return ShardSet.open(folder)


def shuffled(shards, num_steps=20):
    return ShuffledBatches(
        samples=shards.indices("train"), batch_size=8, num_steps=num_steps, seed=0
    )


class SlowTransfer:
    """Copies as late as possible: when its buffers are needed again."""

    def __init__(self, tensors):
        self.source = tensors
        self.copies = {column: torch.zeros_like(tensor) for column, tensor in tensors.items()}

    def tensors(self):
        return self.copies

    def finish(self):
        for column, tensor in self.source.items():
            self.copies[column].copy_(tensor)


def test_a_buffer_is_not_filled_again_before_its_copy_has_finished(shards, monkeypatch):
    monkeypatch.setattr(data, "transfer_to", lambda _: SlowTransfer)
    batches = list(Loader(shards, shuffled(shards), workers=2))
    tensors = made_up_tensors(50, 8)
    assert len(batches) == 20
    for batch in batches:
        for column, found in batch.tensors.items():
            np.testing.assert_array_equal(found.numpy(), tensors[column][batch.samples])


def test_a_transfer_starts_before_the_previous_batch_is_released(shards, monkeypatch):
    sent = []
    monkeypatch.setattr(data, "transfer_to", lambda _: lambda t: sent.append(1) or SlowTransfer(t))
    monkeypatch.setattr(data._Reading, "is_read", lambda _: True)
    loader = iter(Loader(shards, shuffled(shards)))
    next(loader)
    assert len(sent) == 2
    next(loader)
    assert len(sent) == 3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_batches_on_a_gpu_are_those_of_the_cpu(shards):
    order = shuffled(shards, num_steps=60)
    gpu = torch.device("cuda")
    far = [dict(batch.tensors) for batch in Loader(shards, order, device=gpu)]
    for batch, copies in zip(Loader(shards, order), far, strict=True):
        for column, found in batch.tensors.items():
            assert copies[column].is_cuda
            np.testing.assert_array_equal(copies[column].cpu().numpy(), found.numpy())


class FakeStream:
    """Records the order of the calls."""

    def __init__(self, log, name):
        self.log, self.name = log, name

    def wait_event(self, event):
        self.log.append(f"{self.name} waits for {event.name}")


class FakeEvent(FakeStream):
    def record(self, stream):
        self.log.append(f"{self.name} is put on {stream.name}")

    def synchronize(self):
        self.log.append(f"the CPU waits for {self.name}")


def test_the_gpu_waits_for_a_copy_and_the_cpu_only_for_its_buffer(monkeypatch):
    log, cpu = [], torch.device("cpu")
    side, computing = FakeStream(log, "side"), FakeStream(log, "computing")
    monkeypatch.setattr(torch.cuda, "Stream", lambda _: side)
    monkeypatch.setattr(torch.cuda, "Event", lambda **_: FakeEvent(log, "copied"))
    monkeypatch.setattr(torch.cuda, "stream", lambda _: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: computing)
    monkeypatch.setattr(
        torch.Tensor, "record_stream", lambda _, stream: log.append(f"{stream.name} uses it")
    )
    transfer = device_copy._SideStream(cpu)({"s1": torch.ones(2)})
    assert log == ["copied is put on side"]
    assert transfer.tensors()["s1"].tolist() == [1, 1]
    assert log[1:] == ["computing waits for copied", "computing uses it"]
    transfer.finish()
    assert log[3:] == ["the CPU waits for copied"]
