"""Batches: the right samples in the right order."""

import numpy as np
import pytest
from shard_maker import write_made_up_shards

from csmoe_model.data.loader import Loader
from csmoe_model.data.sampler import (
    EveryNth,
    MicroBatches,
    OrderedBatches,
    ShuffledBatches,
    rank_share,
)
from minortom.errors import InputError
from minortom.shards.shard_set import ShardSet


def shuffled(samples, *, batch_size=8, num_steps=20, seed=0):
    return ShuffledBatches(
        samples=np.asarray(samples), batch_size=batch_size, num_steps=num_steps, seed=seed
    )


def samples_of(loader):
    return [(batch.epoch, batch.samples.tolist()) for batch in loader]


def test_an_epoch_has_each_sample_at_most_once_and_drops_the_incomplete_batch():
    order = shuffled(range(100, 150))
    for epoch in range(3):
        places = [order.at(step) for step in range(6 * epoch, 6 * (epoch + 1))]
        assert [found for found, _ in places] == [epoch] * 6
        seen = np.concatenate([samples for _, samples in places])
        assert len(set(seen.tolist())) == 48
        assert set(seen.tolist()) <= set(range(100, 150))


def test_epochs_and_seeds_have_different_orders_and_equal_seeds_the_same():
    first = [shuffled(range(40), seed=seed).at(step)[1].tolist() for seed, step in
             ((0, 0), (0, 5), (1, 0), (0, 0))]  # fmt: skip
    assert first[0] == first[3]
    assert first[0] != first[1]
    assert first[0] != first[2]


def test_every_sample_is_dropped_as_often_as_any_other():
    order = shuffled(range(11), batch_size=10, num_steps=2000)
    counts = np.bincount(np.concatenate([order.at(step)[1] for step in range(2000)]))
    # 2000 epochs leave one of 11 out: 181.8 times each, with a deviation of 12.9.
    assert abs((2000 - counts) - 2000 / 11).max() < 5 * 12.9


def test_validation_gives_each_sample_once_in_order_in_even_batches():
    batches = OrderedBatches(samples=np.arange(5, 15), batch_size=4)
    assert [batches.at(step)[1].tolist() for step in range(len(batches))] == [
        [5, 6, 7], [8, 9, 10], [11, 12, 13, 14],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("count", "batch_size", "sizes"),
    [
        (5, 2, [2, 3]), (3, 2, [3]), (6, 2, [2, 2, 2]), (1, 2, [1]), (0, 2, []), (3, 1, [1, 1, 1]),
        (4, 3, [2, 2]), (5, 4, [2, 3]), (9, 4, [3, 3, 3]),
    ],
)  # fmt: skip
def test_validation_leaves_no_pair_alone(count, batch_size, sizes):
    batches = OrderedBatches(samples=np.arange(count), batch_size=batch_size)
    assert [len(batches.at(step)[1]) for step in range(len(batches))] == sizes


def test_a_batch_larger_than_the_split_is_an_error_that_says_so():
    message = r"batch_size must be at most .* `train`, 50, found 64; .*--batch-size"
    with pytest.raises(InputError, match=message):
        shuffled(range(50), batch_size=64)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_a_batch_holds_the_pixels_of_its_samples(folder, shards, workers):
    tensors = write_made_up_shards(folder.parent / f"same-{workers}", num_patches=50, num_val=10)
    loader = Loader(shards, shuffled(shards.indices("train")), workers=workers)
    batches = 0
    for batch in loader:
        batches += 1
        for column, found in batch.tensors.items():
            np.testing.assert_array_equal(found.numpy(), tensors[column][batch.samples])
    assert batches == len(loader) == 20


def test_the_order_does_not_depend_on_the_number_of_threads(shards):
    batches = shuffled(shards.indices("train"))
    one, four = (samples_of(Loader(shards, batches, workers=n)) for n in (1, 4))
    assert one == four


def test_a_resumed_loader_returns_exactly_the_remaining_samples(shards):
    batches = shuffled(shards.indices("train"))
    whole = samples_of(Loader(shards, batches))
    stopped = Loader(shards, batches)
    reading = iter(stopped)
    seen = [next(reading) for _ in range(7)]
    state = stopped.state_dict()
    reading.close()
    assert state == {"step": 7}

    resumed = Loader(shards, batches)
    resumed.load_state_dict(state)
    assert [(b.epoch, b.samples.tolist()) for b in seen] + samples_of(resumed) == whole


def test_a_resumed_loader_reads_no_earlier_sample(shards, monkeypatch):
    batches, read, real = shuffled(shards.indices("train"), num_steps=5), [], ShardSet.read_rows

    def spy(self, indices, buffers, first_row):
        read.extend(indices)
        real(self, indices, buffers, first_row)

    monkeypatch.setattr(ShardSet, "read_rows", spy)
    loader = Loader(shards, batches)
    loader.load_state_dict({"step": 4})
    [last] = samples_of(loader)
    assert sorted(read) == sorted(last[1])
    assert len(read) == 8


def test_two_epochs_are_two_permutations_of_the_same_samples():
    order = shuffled(range(100, 148))
    first, second = (
        np.concatenate([order.at(step)[1] for step in range(6 * epoch, 6 * epoch + 6)])
        for epoch in (0, 1)
    )
    assert sorted(first) == sorted(second) == list(range(100, 148))
    assert first.tolist() != second.tolist()


@pytest.mark.parametrize("world_size", [2, 3, 4])
def test_ranks_share_the_global_batches_of_one_process(shards, world_size):
    batches = shuffled(shards.indices("train"))
    whole = samples_of(Loader(shards, batches))
    parts = [
        samples_of(Loader(shards, batches, rank=rank, world_size=world_size))
        for rank in range(world_size)
    ]
    joined = [
        (step[0][0], [sample for _, samples in step for sample in samples])
        for step in zip(*parts, strict=True)
    ]
    assert joined == whole


def test_rank_shares_are_contiguous_and_differ_by_at_most_one():
    parts = [rank_share(np.arange(10), rank=rank, world_size=4) for rank in range(4)]
    assert [part.tolist() for part in parts] == [[0, 1], [2, 3, 4], [5, 6], [7, 8, 9]]


def test_the_parts_of_a_batch_make_the_batch_in_order():
    whole = shuffled(range(40), batch_size=8, num_steps=3)
    parts = MicroBatches(batches=whole, parts=4)
    assert len(parts) == 12
    for step in range(3):
        found = [parts.at(4 * step + part) for part in range(4)]
        assert [epoch for epoch, _ in found] == [whole.at(step)[0]] * 4
        assert np.concatenate([samples for _, samples in found]).tolist() == (
            whole.at(step)[1].tolist()
        )
        assert {len(samples) for _, samples in found} == {2}


def test_processes_that_take_every_nth_batch_take_each_once():
    batches = OrderedBatches(samples=np.arange(14), batch_size=2)
    shares = [EveryNth(batches=batches, first=rank, stride=3) for rank in range(3)]
    assert [len(share) for share in shares] == [3, 2, 2]
    taken = [share.at(n)[1].tolist() for share in shares for n in range(len(share))]
    assert sorted(taken) == [batches.at(n)[1].tolist() for n in range(7)]
    assert [shares[1].at(n)[1].tolist() for n in range(2)] == [[2, 3], [8, 9]]


def test_a_read_error_in_a_thread_reaches_the_caller(shards, monkeypatch):
    def broken(*_):
        raise OSError("disk gone")

    monkeypatch.setattr(ShardSet, "read_rows", broken)
    with pytest.raises(OSError, match="disk gone"):
        next(iter(Loader(shards, shuffled(shards.indices("train")))))


def test_buffers_are_used_again(shards):
    places = [
        batch.tensors["s1"].data_ptr()
        for batch in Loader(shards, shuffled(shards.indices("train"), num_steps=40))
    ]
    assert len(set(places)) <= 5
