"""Folder of a run: its files, and when it may be replaced."""

import json
import os
import shutil
import signal
from dataclasses import replace

import pytest
import torch
import yaml
from file_hashes import hashes
from training_runs import SHORT, rows, run, stop_after
from training_shards import MODEL, learnable_shards

import csmoe_model
from csmoe_model.runs.csv_log import RunLog
from csmoe_model.runs.folder import RunFolder
from csmoe_model.training.module import DivergedError
from minortom.errors import InputError, MinorTomError, OutputExistsError, ShardError

pytest_plugins = ("training_fixtures",)
pytestmark = pytest.mark.usefixtures("small_steps")


def test_a_finished_run_is_up_to_date(shards, finished):
    before = {p: p.stat().st_mtime_ns for p in finished.rglob("*")}
    for options in ({}, {"resume": True}, {"overwrite": True}):
        assert run(shards, finished, **options).status == "up to date"
    assert {p: p.stat().st_mtime_ns for p in finished.rglob("*")} == before


@pytest.mark.parametrize(("row", "found"), [("", "none"), ("0,x,train" + "," * 16, "others")])
def test_a_log_without_the_last_losses_is_one_line(shards, finished, tmp_path, row, found):
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    header = (out / "log.csv").read_text().splitlines()[0]
    (out / "log.csv").write_text(f"{header}\n{row}\n")
    message = f"split train in .*log.csv, found {found}; restore the file, or give another --out"
    with pytest.raises(InputError, match=message):
        run(shards, out)


def test_another_configuration_is_an_error_that_names_the_field_and_can_be_replaced(
    shards, finished, tmp_path
):
    out = tmp_path / "run"
    run(shards, out)
    other = replace(SHORT, lr=1e-3)
    with pytest.raises(
        OutputExistsError, match=r"lr is 0.002 in the run and 0.001 in the options.*--over"
    ):
        run(shards, out, other)
    with pytest.raises(
        InputError, match=r"--resume.*train.lr is 0.002 in the run and 0.001 in the options"
    ):
        run(shards, out, other, resume=True)
    assert rows(out) == rows(finished)
    assert run(shards, out, other, overwrite=True).status == "trained"
    assert RunFolder(out).stored()["train"]["lr"] == 1e-3


def test_a_run_that_contains_its_shards_is_not_replaced(shards, tmp_path):
    out, other = tmp_path / "run", replace(SHORT, lr=1e-3)
    run(shards, out)
    inside = shutil.copytree(shards, out / "shards")
    before = hashes(out)
    for overwrite in (False, True):
        with pytest.raises(InputError, match=r"--out .*run contains the input .*shards; give an"):
            run(inside, out, other, overwrite=overwrite)
    assert hashes(out) == before
    assert run(inside, out).status == "up to date"


def test_a_run_that_contains_the_configuration_file_is_not_replaced(shards, tmp_path):
    out = tmp_path / "run"
    run(shards, out)
    own = shutil.copy(out / "config.yaml", out / "own.yaml")
    given = {"out": out, "steps": 2, "workers": 1, "tensorboard": False, "overwrite": True}
    with pytest.raises(InputError, match=r"--out .*run contains the input .*own.yaml; give an"):
        csmoe_model.train(shards, config=own, **given)
    assert (out / "own.yaml").is_file()
    # The configuration of the run itself is written again.
    assert csmoe_model.train(shards, config=out / "config.yaml", **given).status == "trained"
    assert RunFolder(out).stored()["train"]["steps"] == 2


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
    assert run(shards, tmp_path / "run", overwrite=True).status == "trained"


def stopped_overwrite(shards, out, **more):
    with pytest.raises(KeyboardInterrupt):
        run(
            shards,
            out,
            replace(SHORT, **more),
            overwrite=True,
            on_step=stop_after(2, signal.SIGINT),
        )


def weights(folder):
    return (folder / "model" / "model.safetensors").read_bytes()


def test_a_replaced_run_is_kept_until_the_new_one_is_finished(shards, finished, tmp_path):
    out, kept = tmp_path / "run", tmp_path / "run" / "replaced"
    run(shards, out)
    before = {path.relative_to(out) for path in out.rglob("*")}
    for lr in (1e-3, 5e-4):  # the unfinished one is replaced too, and what it replaces is kept
        stopped_overwrite(shards, out, lr=lr)
        assert {path.relative_to(kept) for path in kept.rglob("*")} == before
        assert weights(kept) == weights(finished)
        shutil.copytree(kept, tmp_path / f"back-{lr}")
        assert run(shards, tmp_path / f"back-{lr}").status == "up to date"
    assert run(shards, out, replace(SHORT, lr=5e-4), resume=True).status == "trained"
    assert {path.relative_to(out) for path in out.rglob("*")} == before
    assert weights(out) != weights(finished)


def stopped_by(error, shards, out, *, step, **options):
    def fail(now, *_):
        if now == step:
            raise error

    with pytest.raises(type(error)):
        run(shards, out, on_step=fail, **options)


def stopped_by_a_damaged_shard(*given, **options):
    stopped_by(ShardError("train-0.parquet is damaged"), *given, **options)


def test_a_new_run_with_bad_input_is_removed_and_the_replaced_one_is_back(shards, tmp_path):
    out = tmp_path / "run"
    stopped_by_a_damaged_shard(shards, out, step=2)
    assert not out.exists()
    run(shards, out)
    before = {path.relative_to(out) for path in out.rglob("*")}
    stopped_by_a_damaged_shard(shards, out, step=2, config=replace(SHORT, lr=1e-3), overwrite=True)
    assert {path.relative_to(out) for path in out.rglob("*")} == before
    assert run(shards, out).status == "up to date"
    assert {path.name for path in tmp_path.iterdir()} == {"run", "run.run.json"}


def test_a_run_with_bad_input_that_has_kept_weights_stays(shards, finished, tmp_path):
    kept = tmp_path / "kept"
    stopped_by_a_damaged_shard(shards, kept, step=7, config=replace(SHORT, keep_every=1))
    assert list((kept / "epochs").iterdir())
    stopped_by_a_damaged_shard(shards, tmp_path / "later", step=5, save_every=3)
    stopped_by_a_damaged_shard(shards, tmp_path / "later", step=5, save_every=3, resume=True)
    assert run(shards, tmp_path / "later", resume=True).status == "trained"
    assert weights(tmp_path / "later") == weights(finished)


def test_a_new_run_that_stops_for_another_reason_stays(shards, tmp_path):
    for number, error in enumerate((DivergedError("mi is nan"), RuntimeError("a bug"))):
        out = tmp_path / str(number)
        stopped_by(error, shards, out, step=2)
        assert RunFolder(out).config.is_file()


def test_a_finished_run_deletes_what_a_killed_process_left_of_the_replaced_one(shards, tmp_path):
    out = tmp_path / "run"
    run(shards, out)
    (out / "replaced" / "model").mkdir(parents=True)
    assert run(shards, out).status == "up to date"
    assert not (out / "replaced").exists()


def test_a_replaced_run_is_copied_where_there_are_no_hard_links(
    shards, finished, tmp_path, monkeypatch
):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    out = tmp_path / "run"
    run(shards, out)
    stopped_overwrite(shards, out, lr=1e-3)
    assert weights(out / "replaced") == weights(finished)


def test_resume_without_a_run_is_an_error(shards, tmp_path):
    with pytest.raises(InputError, match="--resume needs a run, found none in"):
        run(shards, tmp_path / "run", resume=True)
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_no_run_is_never_deleted(shards, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("all my work")
    with pytest.raises(OutputExistsError, match="is not a run"):
        run(shards, tmp_path / "precious", overwrite=True)
    assert (tmp_path / "precious" / "thesis.txt").read_text() == "all my work"


def test_a_damaged_checkpoint_is_an_error(shards, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        run(shards, out, on_step=stop_after(2, signal.SIGINT))
    checkpoint = RunFolder(out).checkpoint
    whole = checkpoint.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for damaged in (b"no checkpoint", b"", whole[:-1000], bytes(flipped)):
        checkpoint.write_bytes(damaged)
        with pytest.raises(InputError, match="last.ckpt is not a checkpoint"):
            run(shards, out, resume=True)
        assert checkpoint.read_bytes() == damaged


@pytest.mark.parametrize("what", ["has no Lightning version", "has other weights"])
def test_a_checkpoint_of_another_run_is_an_error(shards, tmp_path, what):
    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        run(shards, out, on_step=stop_after(2, signal.SIGINT))
    checkpoint = RunFolder(out).checkpoint
    found = torch.load(checkpoint, weights_only=True)
    if what == "has other weights":
        found["state_dict"] = {k: v.flatten()[:1] for k, v in found["state_dict"].items()}
    else:
        found.pop("pytorch-lightning_version")
    torch.save(found, checkpoint)
    with pytest.raises(InputError, match="last.ckpt is not a checkpoint of this run"):
        run(shards, out, resume=True)


def test_the_complete_configuration_is_on_disk(finished):
    found = yaml.safe_load((finished / "config.yaml").read_text())
    assert found["recipe"] == "test"
    assert found["model"] == MODEL.to_dict()
    assert found["train"] == SHORT.to_dict()
    assert found["minortom"]["command"] == "train"
    record = json.loads((finished.parent / "run.run.json").read_text())
    assert {"started", "finished", "libraries"} <= set(record)


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "a,b\n1,2,3\n", "a,b\n1\n"])
def test_a_log_with_other_columns_is_an_error(tmp_path, text):
    (tmp_path / "log.csv").write_text(text)
    with pytest.raises(
        MinorTomError,
        match=r"must have the columns epoch, step, .*, found a, b; give the folder of a run",
    ):
        RunLog(tmp_path / "log.csv").rows()
