"""Runs: exact wherever they are stopped, never silently replaced, and they learn."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from training_shards import MODEL, learnable_shards

from csmoe_model import keeper
from csmoe_model.checkpoints import load_model
from csmoe_model.masking import draw_masks
from csmoe_model.options import Configuration, configure
from csmoe_model.pretraining import DivergedError
from csmoe_model.run_folder import RunFolder
from csmoe_model.run_log import COLUMNS, RunLog
from csmoe_model.stop import StopRequest
from csmoe_model.train import train
from csmoe_model.train_config import TrainConfig, changed, train_recipe
from minortom.errors import InputError, MinorTomError, OutputExistsError
from minortom.shards import ShardSet

SHORT = TrainConfig(
    epochs=None, steps=8, batch_size=6, lr=2e-3, log_every=3, val_every=4, warmup=0.25
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def small_steps():
    """One thread is fastest for these sizes; and few runs need their curve drawn."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("csmoe_model.train.draw_curve", lambda *_: None)
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return learnable_shards(tmp_path_factory.mktemp("train") / "shards")


@pytest.fixture(scope="module")
def finished(shards, tmp_path_factory):
    """A run of 8 steps; tests only look at it."""
    out = tmp_path_factory.mktemp("finished") / "run"
    run(shards, out)
    return out


def run(shards, out, config=SHORT, **options):
    configuration = Configuration(recipe="test", model=MODEL, train=config)
    return train(shards, out, configuration, **{"workers": 1, **options})


def rows(out, split=None):
    """Rows of the log without what depends on the clock."""
    return [
        {name: value for name, value in row.items() if name != "pairs_per_s"}
        for row in RunFolder(out).log.rows(split)
    ]


def stop_after(step, number=signal.SIGTERM):
    """Send this process a real signal after a step."""

    def on_step(done, *_):
        if done == step:
            os.kill(os.getpid(), number)

    return on_step


@pytest.fixture
def sigterm_raises():
    """What the command line does on SIGTERM."""

    def exit_with_143(*_):
        raise SystemExit(143)

    former = signal.signal(signal.SIGTERM, exit_with_143)
    yield
    signal.signal(signal.SIGTERM, former)


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


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(shards, finished, tmp_path):
    run(shards, tmp_path / "same")
    run(shards, tmp_path / "other", replace(SHORT, seed=1))
    weights = [(out / "model/model.safetensors").read_bytes()
               for out in (finished, tmp_path / "same", tmp_path / "other")]  # fmt: skip
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]


def test_the_number_of_reading_threads_changes_nothing(shards, finished, tmp_path):
    run(shards, tmp_path / "run", workers=3)
    assert rows(tmp_path / "run") == rows(finished)


@pytest.mark.usefixtures("sigterm_raises")
@pytest.mark.parametrize("step", [1, 3, 4, 5, 8])
def test_a_stopped_run_goes_on_with_bit_equal_losses(shards, finished, tmp_path, step):
    out = tmp_path / "run"
    with pytest.raises(SystemExit) as stopped:
        run(shards, out, on_step=stop_after(step))
    assert stopped.value.code == 143
    assert not (out / "model").exists()

    seen = []
    run(shards, out, resume=True, on_step=lambda done, *_: seen.append(done))
    assert seen == list(range(step + 1, 9))
    assert rows(out) == rows(finished)
    found, wanted = (load_file(f / "model/model.safetensors") for f in (out, finished))
    for name, tensor in wanted.items():
        assert torch.equal(found[name], tensor), name


@pytest.mark.usefixtures("sigterm_raises")
def test_a_run_stopped_twice_is_still_exact(shards, finished, tmp_path):
    out = tmp_path / "run"
    for step in (2, 5):
        with pytest.raises(SystemExit):
            run(shards, out, on_step=stop_after(step), resume=out.exists())
    run(shards, out, resume=True)
    assert rows(out) == rows(finished)


def test_an_interrupt_saves_and_then_is_an_interrupt(shards, tmp_path, caplog):
    with pytest.raises(KeyboardInterrupt):
        run(shards, tmp_path / "run", on_step=stop_after(2, signal.SIGINT))
    assert RunFolder(tmp_path / "run").checkpoint.is_file()
    assert "stopped after step 2; --resume" in caplog.text


def test_a_killed_run_goes_on_from_its_last_checkpoint(shards, finished, tmp_path):
    class PowerCutError(Exception):
        pass

    def power_cut(done, *_):
        if done == 7:
            raise PowerCutError

    out = tmp_path / "run"
    with pytest.raises(PowerCutError):
        run(shards, out, save_every=5, on_step=power_cut)
    assert [row["step"] for row in rows(out)] == ["3", "4", "6"]
    with RunFolder(out).log.path.open("a") as log:
        log.write("2,7,train,0.1")  # half a row, as a full disk leaves it
    seen = []
    run(shards, out, resume=True, on_step=lambda done, *_: seen.append(done))
    assert seen == [6, 7, 8]
    assert rows(out) == rows(finished)


def test_a_run_killed_before_its_first_checkpoint_starts_anew(shards, finished, tmp_path):
    def power_cut(*_):
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        run(shards, tmp_path / "run", on_step=power_cut)
    run(shards, tmp_path / "run", resume=True)
    assert rows(tmp_path / "run") == rows(finished)


def test_a_run_killed_before_its_weights_were_written_only_writes_them(
    shards, finished, tmp_path, monkeypatch
):
    def disk_full(*_, **__):
        raise OSError("disk full")

    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr("csmoe_model.train.save_model", disk_full)
        with pytest.raises(OSError, match="disk full"):
            run(shards, out)
    steps = []
    run(shards, out, resume=True, on_step=lambda done, *_: steps.append(done))
    assert steps == []
    found, wanted = ((f / "model/model.safetensors").read_bytes() for f in (out, finished))
    assert found == wanted


def test_a_checkpoint_that_cannot_be_written_leaves_the_last_good_one(
    shards, tmp_path, monkeypatch
):
    import lightning

    folder = RunFolder(tmp_path / "run")
    save, calls = lightning.Trainer.save_checkpoint, []

    def full_at_the_second(self, path, *rest, **more):
        calls.append(path)
        if len(calls) == 2:
            Path(path).write_bytes(b"half of i")
            raise OSError("disk full")
        save(self, path, *rest, **more)

    monkeypatch.setattr(lightning.Trainer, "save_checkpoint", full_at_the_second)
    with pytest.raises(OSError, match="disk full"):
        run(shards, folder.path, save_every=2)
    assert torch.load(folder.checkpoint, weights_only=True)["global_step"] == 2


def test_the_checkpoint_is_read_without_unpickling_code(finished):
    found = torch.load(RunFolder(finished).checkpoint, weights_only=True)
    assert found["global_step"] == 8


def test_a_finished_run_is_up_to_date(shards, finished):
    before = {p: p.stat().st_mtime_ns for p in finished.rglob("*")}
    for options in ({}, {"resume": True}, {"overwrite": True}):
        assert run(shards, finished, **options)["status"] == "up to date"
    assert {p: p.stat().st_mtime_ns for p in finished.rglob("*")} == before


def test_another_configuration_is_refused_by_name_and_replaced_when_allowed(
    shards, finished, tmp_path
):
    out = tmp_path / "run"
    run(shards, out)
    other = replace(SHORT, lr=1e-3)
    with pytest.raises(OutputExistsError, match=r"train.lr is 0.002 there and 0.001 here.*--over"):
        run(shards, out, other)
    with pytest.raises(InputError, match=r"--resume.*train.lr is 0.002 there and 0.001 here"):
        run(shards, out, other, resume=True)
    assert rows(out) == rows(finished)
    assert run(shards, out, other, overwrite=True)["status"] == "trained"
    assert RunFolder(out).stored()["train"]["lr"] == 1e-3


def test_other_shards_are_another_run(shards, tmp_path):
    run(shards, tmp_path / "run")
    more = learnable_shards(tmp_path / "more", train=24)
    with pytest.raises(OutputExistsError, match=r"minortom.inputs.shards is"):
        run(more, tmp_path / "run")


def test_an_unfinished_run_says_to_resume(shards, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(shards, tmp_path / "run", on_step=stop_after(2, signal.SIGINT))
    with pytest.raises(OutputExistsError, match="unfinished run.*--resume"):
        run(shards, tmp_path / "run")
    assert run(shards, tmp_path / "run", overwrite=True)["status"] == "trained"


def test_there_must_be_something_to_resume(shards, tmp_path):
    with pytest.raises(InputError, match="--resume: there is no run"):
        run(shards, tmp_path / "run", resume=True)
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_no_run_is_never_deleted(shards, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("all my work")
    with pytest.raises(OutputExistsError, match="is no run"):
        run(shards, tmp_path / "precious", overwrite=True)
    assert (tmp_path / "precious" / "thesis.txt").read_text() == "all my work"


def test_a_damaged_checkpoint_is_an_error_that_says_so(shards, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        run(shards, out, on_step=stop_after(2, signal.SIGINT))
    RunFolder(out).checkpoint.write_bytes(b"no checkpoint")
    with pytest.raises(InputError, match="last.ckpt is no checkpoint"):
        run(shards, out, resume=True)


def test_the_configuration_is_on_disk_whole(finished):
    found = yaml.safe_load((finished / "config.yaml").read_text())
    assert found["recipe"] == "test"
    assert found["model"] == MODEL.to_dict()
    assert found["train"] == SHORT.to_dict()
    assert found["minortom"]["command"] == "train"
    record = json.loads((finished.parent / "run.run.json").read_text())
    assert {"started", "finished", "libraries"} <= set(record)


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
    read, real = set(), ShardSet.read_into

    def spy(self, index, buffers, row):
        read.add(index)
        real(self, index, buffers, row)

    monkeypatch.setattr(ShardSet, "read_into", spy)
    run(shards, tmp_path / "run")
    assert read == set(range(16))
    read.clear()
    one_epoch = replace(SHORT, steps=2)
    monkeypatch.setattr(keeper, "validation_terms", lambda *_, **__: None)
    run(shards, tmp_path / "no-val", one_epoch)
    assert read == set(range(12))


def test_without_a_validation_split_it_trains_and_says_so(tmp_path, caplog):
    shards = learnable_shards(tmp_path / "shards", val=0)
    summary = run(shards, tmp_path / "run", replace(SHORT, steps=2))
    assert summary["val_loss"] is None
    assert rows(tmp_path / "run", "val") == []
    assert "no split `val`" in caplog.text


def test_validation_sees_the_same_masks_each_time(shards, tmp_path):
    # With a learning rate of next to nothing only the masks could change the loss.
    still = replace(SHORT, lr=1e-12, steps=6, val_every=2)
    run(shards, tmp_path / "run", still)
    losses = {row["loss"][:6] for row in rows(tmp_path / "run", "val")}
    assert len(losses) == 1


def test_validation_is_the_mean_over_the_pairs_of_the_split_as_they_are(tmp_path):
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


def test_the_learning_rate_rises_linearly_and_falls_as_a_cosine():
    config = TrainConfig(warmup=0.2)
    factors = [config.lr_factor(step, 10) for step in range(10)]
    wanted = [0.5, 1.0] + [(1 + math.cos(math.pi * step / 8)) / 2 for step in range(8)]
    assert factors == pytest.approx(wanted)


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
    from csmoe_model import images

    given, real = [], images.flipped

    def spy(image, flips):
        given.append(flips)
        return real(image, flips)

    monkeypatch.setattr(images, "flipped", spy)
    run(shards, tmp_path / "run", replace(SHORT, steps=1, val_every=9, flips=False))
    assert given
    assert all(flips is None for flips in given)


def test_epochs_count_whole_batches():
    assert TrainConfig(epochs=3, batch_size=8).num_steps(30) == 9
    assert TrainConfig(epochs=None, steps=5, batch_size=8).num_steps(30) == 5


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 3, "steps": 5}, "epochs or steps"),
        ({"epochs": None}, "epochs or steps"),
        ({"lr": 0.0}, "lr must be above 0"),
        ({"lr": math.inf}, "lr must be above 0"),
        ({"batch_size": 0}, "batch_size must be 1 or more"),
        ({"batch_size": 2.5}, "batch_size must be int"),
        ({"warmup": 1.0}, "warmup must be at least 0 and below 1"),
        ({"weight_decay": -1.0}, "weight_decay must be 0 or more"),
        ({"flips": 1}, "flips must be bool"),
        ({"seed": True}, "seed must be int"),
        ({"learning_rate": 1.0}, "unknown training option learning_rate; known are seed"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(values, message):
    with pytest.raises(InputError, match=message):
        changed(TrainConfig(), {"steps": None, "epochs": 9, **values})


def test_settings_survive_yaml():
    for name in ("tiny", "small", "csmoe-b16"):
        config = train_recipe(name)
        text = yaml.safe_dump(config.to_dict())
        assert TrainConfig.from_dict(yaml.safe_load(text)) == config


def test_giving_epochs_takes_the_recipes_steps_away():
    found = configure("tiny", {"epochs": 3})
    assert (found.train.epochs, found.train.steps) == (3, None)


def test_options_go_where_they_belong_and_the_rest_is_the_recipe():
    found = configure("tiny", {"mask_ratio": 0.75, "lr": 0.5, "seed": None})
    assert found.model.mask_ratio == 0.75
    assert found.train.lr == 0.5
    assert replace(found.train, lr=train_recipe("tiny").lr) == train_recipe("tiny")
    assert configure(None, {}).recipe == "csmoe-b16"


def test_what_is_not_given_on_resume_is_the_runs_own(finished):
    found = configure(None, {"workers": None}, resume=finished)
    assert (found.recipe, found.model, found.train) == ("test", MODEL, SHORT)
    assert configure(None, {"lr": 0.5}, resume=finished).train == replace(SHORT, lr=0.5)


def test_an_unknown_recipe_is_an_error_that_lists_them():
    with pytest.raises(InputError, match=r"'huge'.*csmoe-b16.*tiny"):
        configure("huge", {})


def test_published_recipes_have_the_published_settings():
    config = train_recipe("csmoe-b16")
    assert (config.lr, config.weight_decay, config.beta1, config.beta2) == (1e-4, 0.05, 0.9, 0.95)
    assert (config.epochs, config.warmup) == (150, pytest.approx(10 / 150))


def test_a_second_signal_is_passed_on_at_once():
    with pytest.raises(KeyboardInterrupt), StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.signal == signal.SIGINT
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_stopped_validation_is_made_up_for(shards, finished, tmp_path, monkeypatch):
    # The signal comes while the split is looked at: no row, and none is lost after all.
    real = keeper.validation_terms

    def interrupted(run_, loader, *, should_stop):
        os.kill(os.getpid(), signal.SIGINT)
        return real(run_, loader, should_stop=should_stop)

    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(keeper, "validation_terms", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(shards, out)
    assert [row["step"] for row in rows(out)] == ["3"]
    run(shards, out, resume=True)
    assert rows(out) == rows(finished)


def test_no_step_writes_to_stdout_or_stderr(shards, tmp_path):
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path\n"
        "from test_train import run\n"
        "run(Path(sys.argv[2]), Path(sys.argv[3]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(Path(__file__).parent), shards, tmp_path / "run"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == ""
    assert done.stderr == ""


def test_a_log_of_something_else_is_refused(tmp_path):
    (tmp_path / "log.csv").write_text("a,b\n1,2\n")
    with pytest.raises(MinorTomError, match="a, b; wanted a run's log"):
        RunLog(tmp_path / "log.csv").rows()
