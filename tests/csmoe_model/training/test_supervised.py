"""The supervised training loop, on networks small enough to follow by hand."""

import signal

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from training_runs import stop_after

from csmoe_model.runs.folder import RunFolder
from csmoe_model.training.module import DivergedError
from csmoe_model.training.signals import StopRequest
from csmoe_model.training.supervised import COLUMNS, train_supervised
from csmoe_model.training.supervised_config import SupervisedConfig
from csmoe_model.training.supervised_module import Supervised, WeightGroup
from minortom.errors import InputError

CONFIG = SupervisedConfig(epochs=6, batch_size=4, lr=0.05, warmup=0.0, log_every=3)


class Noisy(nn.Module):
    """A linear layer with dropout, which draws from torch's global generator."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x):
        return self.layer(F.dropout(x, 0.5, self.training))


def task_of(config=CONFIG, *, network=None, images=10, groups=None, validate=None, loss=None):
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(images, 3)).astype(np.float32))
    truth = (x[:, 0] > 0).long()
    torch.manual_seed(0)
    network = network or Noisy()

    def score(network):
        logits = network(x)
        hits = (logits.argmax(1) == truth).float().mean()
        return {"loss": float(F.cross_entropy(logits, truth)), "score": float(hits)}

    return Supervised(
        network=network.eval(), num_images=images, config=config, validate=validate or score,
        groups=groups or [WeightGroup(weights=list(network.parameters()))],
        read=lambda _, samples: (x[samples], truth[samples]),
        loss=loss or (lambda network, batch: F.cross_entropy(network(batch[0]), batch[1])),
    )  # fmt: skip


def train(out, task, *, on_step=lambda *_: None, save_every=500):
    folder = RunFolder(out, columns=COLUMNS)
    if not out.exists():
        folder.checkpoint.parent.mkdir(parents=True)
        folder.log.start()
    with StopRequest() as stop:
        return train_supervised(
            task, folder=folder, stop=stop, save_every=save_every, on_step=on_step
        )


def log(out):
    rows = RunFolder(out, columns=COLUMNS).log.rows()
    return [{k: v for k, v in row.items() if k != "images_per_s"} for row in rows]


@pytest.mark.parametrize("step", [1, 2, 5, 12])
def test_a_stopped_run_resumes_to_the_same_weights_and_log(tmp_path, step):
    whole, broken = task_of(), task_of()
    wanted = train(tmp_path / "whole", whole)
    assert train(tmp_path / "out", broken, on_step=stop_after(step, signal.SIGTERM)) is None
    seen = []

    again = task_of()
    found = train(tmp_path / "out", again, on_step=lambda done, *_: seen.append(done))

    assert seen == list(range(step + 1, 13))
    assert found == wanted
    assert log(tmp_path / "out") == log(tmp_path / "whole")
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(again.network.state_dict()[name], tensor), name


def test_a_finished_run_returns_the_same_weights_without_a_step(tmp_path):
    first = task_of()
    wanted = train(tmp_path / "out", first)

    def fail(*_):
        raise AssertionError

    again = task_of()
    assert train(tmp_path / "out", again, on_step=fail) == wanted
    assert torch.equal(again.network.layer.weight, first.network.layer.weight)


def test_the_weights_with_the_best_score_are_kept_and_training_stops_early(tmp_path):
    scores = iter([0.1, 0.5, 0.9, 0.4, 0.9, 0.3, 0.2])
    seen = []

    def validate(network):
        seen.append(network.layer.weight.clone())
        return {"loss": 0.0, "score": next(scores)}

    task = task_of(SupervisedConfig(epochs=20, batch_size=4, patience=3), validate=validate)
    found = train(tmp_path / "out", task)

    # 2 steps an epoch, and 20 validations: after each epoch, and before the first step.
    assert (found.best_step, found.score, found.steps) == (4, 0.9, 10)
    assert torch.equal(task.network.layer.weight, seen[2])
    assert not torch.equal(seen[2], seen[3])


def test_of_equal_scores_the_lower_loss_is_better(tmp_path):
    losses = iter([0.5, 0.3, 0.4, 0.3])
    task = task_of(
        SupervisedConfig(epochs=3, batch_size=4),
        validate=lambda _: {"loss": next(losses), "score": 1.0},
    )
    assert train(tmp_path / "out", task).best_step == 2


def test_without_patience_all_epochs_are_trained(tmp_path):
    task = task_of(
        SupervisedConfig(epochs=3, batch_size=4, patience=0),
        validate=lambda _: {"loss": 0.0, "score": 0.0},
    )
    assert train(tmp_path / "out", task).steps == 6


def test_groups_have_their_own_rates_and_other_weights_are_constant(tmp_path):
    network = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 2))
    before = [layer.weight.detach().clone() for layer in network]
    groups = [
        WeightGroup(weights=[network[1].weight], rate=0.1),
        WeightGroup(weights=[network[2].weight], decayed=False),
    ]
    config = SupervisedConfig(
        epochs=1, batch_size=10, lr=1e-3, warmup=0.0, weight_decay=0.5, grad_clip=0.0,
    )  # fmt: skip
    # The score of the initial weights is the lower one.
    scores = iter([0.0, 1.0])
    train(tmp_path / "out", task_of(config, network=network, groups=groups, validate=lambda _: {
        "loss": 0.0, "score": next(scores),
    }))  # fmt: skip

    moved = [(layer.weight - w).abs() for layer, w in zip(network, before, strict=True)]
    # The first step of Adam changes each weight by its rate; the decay subtracts a share of it.
    assert moved[0].max() == 0
    decay = 1e-4 * 0.5 * before[1]
    torch.testing.assert_close((network[1].weight - before[1] + decay).abs(),
                               torch.full((3, 3), 1e-4), rtol=1e-3, atol=1e-7)  # fmt: skip
    torch.testing.assert_close(moved[2], torch.full((2, 3), 1e-3), rtol=1e-3, atol=1e-7)


def test_the_gradient_is_clipped_to_its_maximum_norm(tmp_path):
    seen = []

    def loss(network, batch):
        weight = network.layer.weight
        weight.register_post_accumulate_grad_hook(seen.append)
        return 100 * F.cross_entropy(network(batch[0]), batch[1])

    config = SupervisedConfig(epochs=1, batch_size=10, grad_clip=0.5, log_every=1)
    train(tmp_path / "out", task_of(config, loss=loss))
    (row,) = [row for row in log(tmp_path / "out") if row["split"] == "train"]

    assert float(row["grad_norm"]) > 0.5
    gradients = [seen[0].grad, seen[0].grad.new_zeros(1)]
    assert float(torch.nn.utils.get_total_norm(gradients)) < 0.5


def test_a_batch_holds_all_images_of_a_small_split(tmp_path):
    sizes = []

    def loss(network, batch):
        sizes.append(len(batch[0]))
        return network(batch[0]).sum()

    train(tmp_path / "out", task_of(SupervisedConfig(epochs=2), images=5, loss=loss))
    assert sizes == [5, 5]


def test_a_loss_that_is_not_finite_stops_the_run_in_one_line(tmp_path):
    task = task_of(loss=lambda network, batch: network(batch[0]).sum() * float("nan"))
    with pytest.raises(DivergedError, match=r"step 1: the loss is nan; .* --lr below 0.05"):
        train(tmp_path / "out", task)


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    train(tmp_path / "out", task_of())
    network = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 2))
    with pytest.raises(InputError, match=r"not a checkpoint of this run"):
        train(tmp_path / "out", task_of(network=network))


def test_the_log_has_means_of_the_steps_and_each_validation(tmp_path):
    losses = []
    train(tmp_path / "out", task_of(), on_step=lambda *found: losses.append(found[2]))
    rows = log(tmp_path / "out")

    train_rows = [row for row in rows if row["split"] == "train"]
    assert [int(row["step"]) for row in train_rows] == [3, 6, 9, 12]
    means = np.array(losses).reshape(4, 3).mean(1)
    np.testing.assert_allclose([float(row["loss"]) for row in train_rows], means, rtol=1e-6)
    assert [int(row["step"]) for row in rows if row["split"] == "val"] == [0, 2, 4, 6, 8, 10, 12]
    assert [row["epoch"] for row in train_rows] == ["1", "2", "4", "5"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "epochs must be 1 or more, found 0"),
        ({"lr": 0.0}, "lr must be above 0, found 0.0"),
        ({"warmup": 1.0}, "warmup must be at least 0 and below 1, found 1.0"),
        ({"patience": -1}, "patience must be 0 or more, found -1"),
        ({"batch_size": "all"}, "batch_size must be a whole number, found 'all'"),
    ],
)
def test_values_out_of_range_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        SupervisedConfig(**values)
