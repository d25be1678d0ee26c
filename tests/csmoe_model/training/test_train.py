"""Training runs: logs, determinism, validation, and learning."""

import math
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from processes import SUPPORT
from training_runs import SHORT, rows, run
from training_shards import MODEL, learnable_shards

from csmoe_model.extractors.checkpoint import load_model
from csmoe_model.nn.masking import draw_masks
from csmoe_model.runs.csv_log import COLUMNS
from csmoe_model.runs.folder import RunFolder
from csmoe_model.training import callback
from csmoe_model.training.loop import TrainingLoop
from csmoe_model.training.module import DivergedError
from minortom.errors import InputError
from minortom.shards.shard_set import ShardSet

pytest_plugins = ("training_fixtures",)
pytestmark = pytest.mark.usefixtures("small_steps")


def test_the_log_has_a_row_for_every_three_steps_and_each_validation(finished):
    assert [(row["step"], row["epoch"], row["split"]) for row in rows(finished)] == [
        ("3", "0", "train"), ("4", "1", "val"), ("6", "1", "train"),
        ("8", "2", "train"), ("8", "2", "val"),
    ]  # fmt: skip
    assert (finished / "log.csv").read_text().splitlines()[0] == ",".join(COLUMNS)


def test_a_row_is_the_mean_of_its_steps(shards, finished, tmp_path):
    run(shards, tmp_path / "run", replace(SHORT, log_every=1))
    each = [float(row["loss"]) for row in rows(tmp_path / "run", "train")]
    means = [float(row["loss"]) for row in rows(finished, "train")]
    wanted = [np.mean(each[:3]), np.mean(each[3:6]), np.mean(each[6:])]
    np.testing.assert_allclose(means, wanted, rtol=1e-7)


def test_terms_add_up_to_the_loss(finished):
    for row in rows(finished):
        value = {name: float(row[name]) for name in COLUMNS[3:13]}
        assert value["umr"] == pytest.approx(value["rec_s2_s2"] + value["rec_s1_s1"], rel=1e-5)
        assert value["cmr"] == pytest.approx(value["rec_s2_s1"] + value["rec_s1_s2"], rel=1e-5)
        weighted = 0.01 * value["rep"] + 0.01 * value["bal"]
        assert value["loss"] == pytest.approx(
            value["umr"] + value["cmr"] + value["mi"] + weighted, rel=1e-5
        )


def test_the_weights_are_a_function_of_the_seed(shards, finished, tmp_path):
    run(shards, tmp_path / "same")
    run(shards, tmp_path / "other", replace(SHORT, seed=1))
    weights = [(out / "model/model.safetensors").read_bytes()
               for out in (finished, tmp_path / "same", tmp_path / "other")]  # fmt: skip
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]


def test_the_number_of_reading_threads_changes_nothing(shards, finished, tmp_path):
    run(shards, tmp_path / "run", workers=3)
    assert rows(tmp_path / "run") == rows(finished)


def test_pairs_of_an_odd_split_are_contrasted_in_parts_of_two(tmp_path):
    shards = learnable_shards(tmp_path / "shards", val=5)
    config = replace(SHORT, steps=2, val_every=1, accumulate=3)
    run(shards, tmp_path / "run", config, model=replace(MODEL, mi_form="eq10"))
    assert len(rows(tmp_path / "run", "val")) == 2


@pytest.mark.parametrize(
    ("val", "accumulate", "message"),
    [
        (1, 1, "at least 2 pairs in the split `val`, found 1; export more patches"),
        (4, 6, "at least 2 pairs in each part of a batch, found 1 .*; give a larger --batch-size"),
    ],
)
def test_eq10_refuses_single_pairs_before_the_run_starts(tmp_path, val, accumulate, message):
    shards = learnable_shards(tmp_path / "shards", val=val)
    config = replace(SHORT, accumulate=accumulate)
    with pytest.raises(InputError, match=message):
        run(shards, tmp_path / "run", config, model=replace(MODEL, mi_form="eq10"))
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_not_finite_stops_the_run_and_names_step_term_and_cells(
    shards, tmp_path, monkeypatch
):
    from csmoe_model import csmoe

    steps, real = [], csmoe.mutual_information_loss

    def nan_at_the_third(*args, **options):
        steps.append(1)
        return real(*args, **options) * (math.nan if len(steps) == 3 else 1.0)

    monkeypatch.setattr(csmoe, "mutual_information_loss", nan_at_the_third)
    with pytest.raises(DivergedError, match=r"at step 3: mi is nan; cells of the batch: ") as stop:
        run(shards, tmp_path / "run", replace(SHORT, val_every=100), save_every=1)
    cells = set(ShardSet.open(shards).metadata(["grid_cell"])["grid_cell"].to_pylist())
    named = str(stop.value).split("batch: ")[1].split(";")[0].split(", ")
    assert named
    assert set(named) <= cells
    good = torch.load(RunFolder(tmp_path / "run").checkpoint, weights_only=True)
    assert good["global_step"] == 2
    assert all(weight.isfinite().all() for weight in good["state_dict"].values())


def test_the_split_test_is_never_read_and_val_only_validated_on(tmp_path, monkeypatch):
    shards = learnable_shards(tmp_path / "shards", train=12, val=4, test=4)
    read, real = set(), ShardSet.read_rows

    def spy(self, indices, buffers, first_row):
        read.update(indices)
        real(self, indices, buffers, first_row)

    monkeypatch.setattr(ShardSet, "read_rows", spy)
    run(shards, tmp_path / "run")
    assert read == set(range(16))
    read.clear()
    one_epoch = replace(SHORT, steps=2)
    monkeypatch.setattr(callback, "validation_numbers", lambda *_, **__: None)
    monkeypatch.setattr(TrainingLoop, "_shown", lambda *_: None)
    run(shards, tmp_path / "no-val", one_epoch)
    assert read == set(range(12))


def test_without_a_validation_split_a_warning_is_logged(tmp_path, caplog):
    shards = learnable_shards(tmp_path / "shards", val=0)
    summary = run(shards, tmp_path / "run", replace(SHORT, steps=2))
    assert summary.val_loss is None
    assert rows(tmp_path / "run", "val") == []
    assert "no split `val`" in caplog.text


def test_validation_sees_the_same_masks_each_time(shards, tmp_path):
    # With a learning rate of next to nothing only the masks could change the loss.
    still = replace(SHORT, lr=1e-12, steps=6, val_every=2)
    run(shards, tmp_path / "run", still)
    losses = {row["loss"][:6] for row in rows(tmp_path / "run", "val")}
    assert len(losses) == 1


def test_validation_is_the_mean_over_the_pairs_of_the_split_without_flips(tmp_path):
    # Five pairs in batches of two and three; errors of reconstruction are means over pairs.
    data = ShardSet.open(learnable_shards(tmp_path / "shards", val=5))
    run(data.folder, tmp_path / "run", replace(SHORT, steps=2, batch_size=4, seed=7))
    trained = load_model(tmp_path / "run", device=torch.device("cpu"))
    samples = data.indices("val")
    buffers = data.buffers(5)
    for row, sample in enumerate(samples):
        data.read_into(sample, buffers, row)
    images = trained.normalise({c: torch.from_numpy(a) for c, a in buffers.items()})
    masks = draw_masks(samples, num_patches=16, mask_ratio=0.5, mode="independent", seed=7, epoch=0)
    with torch.no_grad():
        wanted = trained.model(images["s2"], images["s1"], masks).terms()
    (found,) = rows(tmp_path / "run", "val")
    for name in COLUMNS[9:13]:
        assert float(found[name]) == pytest.approx(float(wanted[name]), rel=1e-5), name


def test_the_tiny_objective_is_learnt(shards, tmp_path):
    run(shards, tmp_path / "run", replace(SHORT, steps=150, lr=5e-3, log_every=1, val_every=150))
    error = [
        (float(row["rec_s2_s2"]) + float(row["rec_s1_s1"])) / 2
        for row in rows(tmp_path / "run", "train")
    ]
    assert np.mean(error[-15:]) < 0.6 * np.mean(error[:15])
    assert np.mean(error[-15:]) < 0.7


def test_the_logged_rate_is_that_of_the_rows_last_step(finished):
    wanted = [SHORT.lr * SHORT.lr_factor(step, 8) for step in (2, 5, 7)]
    found = [float(row["lr"]) for row in rows(finished, "train")]
    assert found == pytest.approx(wanted, rel=1e-6)


def test_the_optimiser_takes_the_rate_that_is_logged(shards, tmp_path, monkeypatch):
    rates, step = [], torch.optim.AdamW.step

    def spy(self, *args, **options):
        rates.append(self.param_groups[0]["lr"])
        return step(self, *args, **options)

    monkeypatch.setattr(torch.optim.AdamW, "step", spy)
    run(shards, tmp_path / "run", replace(SHORT, log_every=1))
    logged = [float(row["lr"]) for row in rows(tmp_path / "run", "train")]
    assert rates == pytest.approx(logged, rel=1e-6)


def test_clipping_bounds_the_gradient_that_is_applied(shards, tmp_path, monkeypatch):
    norms, step = [], torch.optim.AdamW.step

    def spy(self, closure=None, **options):
        result = step(self, closure, **options)
        grads = [p.grad for group in self.param_groups for p in group["params"]]
        norms.append(float(torch.nn.utils.get_total_norm(grads)))
        return result

    monkeypatch.setattr(torch.optim.AdamW, "step", spy)
    run(shards, tmp_path / "run", replace(SHORT, steps=3, log_every=1, grad_clip=0.5))
    assert norms == pytest.approx([0.5] * 3, rel=1e-3)
    assert all(float(row["grad_norm"]) > 1 for row in rows(tmp_path / "run", "train"))


def test_no_flips_means_none(shards, tmp_path, monkeypatch):
    from csmoe_model.data import normalise as images

    given, real = [], images.flipped

    def spy(image, flips):
        given.append(flips)
        return real(image, flips)

    monkeypatch.setattr(images, "flipped", spy)
    run(shards, tmp_path / "run", replace(SHORT, steps=1, val_every=9, flips=False))
    assert given
    assert all(flips is None for flips in given)


def test_no_step_writes_to_stdout_or_stderr(shards, tmp_path):
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path\n"
        "from training_runs import run\n"
        "run(Path(sys.argv[2]), Path(sys.argv[3]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, SUPPORT, shards, tmp_path / "run"],
        capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.stdout == ""
    assert done.stderr == ""
