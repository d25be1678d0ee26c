"""An interrupted command says what it keeps, and the command that resumes it."""

import json
import os
import shlex
from pathlib import Path
from typing import Annotated

import pytest
import typer
from minortom_cli.command import Command
from minortom_cli.console import Json, run
from minortom_cli.terminal.resuming import kept_work
from typed_commands import commands_and_groups, context_of


def again(sentence):
    """Return the words of the command that a sentence ends with, and the words before it."""
    begin, _, command = sentence.partition(": ")
    return begin, shlex.split(command)


@pytest.mark.parametrize(
    ("command", "made", "kept"),
    [
        ("minortom sample", "the out.partial", "completed searches are kept in the out.partial"),
        ("minortom export", "the out.partial", "finished shards are kept in the out.partial"),
        ("minortom cluster", "the out.partial", "the training so far is kept in the out.partial"),
        ("csmoe prune", "the out.partial", "the work so far is kept in the out.partial"),
        ("minortom show", "the out", "nothing was written"),
    ],
)
def test_the_same_command_resumes(tmp_path, monkeypatch, command, made, kept):
    monkeypatch.chdir(tmp_path)
    typed = [*command.split(), "a file", "--out", "the out", "--overwrite"]
    options = {"out": Path("the out")}
    assert kept_work(command, options, typed)[0] == "nothing was written"
    assert again(kept_work(command, options, typed)[1]) == ("start again with", typed)

    (tmp_path / made).mkdir()
    text, sentence = kept_work(command, options, typed)
    assert text.startswith(kept)
    if kept.startswith("nothing"):
        return
    assert again(sentence) == ("resume with", typed)


def test_a_program_outside_the_path_of_the_shell_is_named_by_its_path(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/opt/env/bin/minortom", "show"])
    monkeypatch.setattr("shutil.which", {}.get)
    assert kept_work("minortom show", {}, ["minortom", "show"])[1] == (
        "start again with: /opt/env/bin/minortom show"
    )


def test_the_secrets_of_urls_are_not_printed():
    typed = ["minortom", "annotate", "cells.txt", "--s2", "https://user:pw@host/s2?sig=abc"]
    begin, words = again(kept_work("minortom show", {}, typed)[1])
    assert begin == "start again with, after adding the secrets of URLs"
    assert words == [*typed[:-1], "https://host/s2"]


@pytest.mark.parametrize("command", ["csmoe train", "csmoe finetune", "csmoe specialist train",
                                     "csmoe text train", "csmoe-train"])  # fmt: skip
@pytest.mark.parametrize("more", [[], ["--resume"], ["--overwrite"]])
def test_a_run_is_resumed_from_its_checkpoint(tmp_path, command, more):
    run_folder = tmp_path / "run"
    typed = [*command.split(), "shards", "--out", str(run_folder), *more]
    resumed = [*command.split(), "shards", "--out", str(run_folder), "--resume"]
    assert again(kept_work(command, {"out": run_folder}, typed)[1]) == ("start again with", typed)

    run_folder.mkdir()
    (run_folder / "config.yaml").touch()
    text, sentence = kept_work(command, {"out": run_folder}, typed)
    assert (text, again(sentence)) == ("no checkpoint was written", ("resume with", resumed))

    (run_folder / "checkpoints").mkdir()
    (run_folder / "checkpoints" / "last.ckpt").touch()
    text, sentence = kept_work(command, {"out": run_folder}, typed)
    assert text == f"the last checkpoint is kept in {run_folder}/checkpoints/last.ckpt"
    assert again(sentence) == ("resume with", resumed)


def test_the_command_that_resumes_a_run_is_understood():
    trained = [words for words, _ in commands_and_groups() if words[-1] in ("train", "csmoe-train")]
    assert len(trained) == 4
    options = {"--data": "shards", "--root": "s", "--sensor": "s2"}
    for words in trained:
        more = [word for pair in options.items() for word in pair] if "specialist" in words else [
            "input"
        ]  # fmt: skip
        assert context_of([*words, *more, "--out", "run", "--resume"]).params["resume"]


@pytest.mark.parametrize("command", ["csmoe probe", "csmoe retrieve", "csmoe plot epochs"])
def test_cached_features_are_named_where_there_is_a_cache(tmp_path, command):
    typed = [*command.split(), "run", "--cache", "features"]
    assert kept_work(command, {"cache": tmp_path}, typed)[0].startswith("cached features are kept")
    assert kept_work(command, {"cache": None}, typed)[0] == "nothing was written"


def test_downloads_are_named_by_their_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MINORTOM_CACHE", str(tmp_path))
    (tmp_path / "maps").mkdir()
    text, sentence = kept_work("minortom fetch", {}, ["minortom", "fetch", "worldcover-2021"])
    assert text == f"downloaded files are kept in {tmp_path}/maps"
    assert sentence == "resume with: minortom fetch worldcover-2021"


def test_the_quickstart_goes_on_without_overwrite(tmp_path):
    typed = ["minortom", "quickstart", "--out", str(tmp_path), "--overwrite"]
    text, sentence = kept_work("minortom quickstart", {"out": tmp_path}, typed)
    assert text == f"the outputs of finished commands are kept in {tmp_path}"
    assert again(sentence) == ("resume with", typed[:-1])


@pytest.mark.parametrize(
    ("error", "code", "how"),
    [(KeyboardInterrupt(), 130, "interrupted"), (SystemExit(143), 143, "terminated")],
)
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_an_interrupt_prints_both(tmp_path, capsys, error, code, how, more):
    def work(*, out: Annotated[Path, typer.Option()], as_json: Json = False):
        del out, as_json
        raise error

    app = typer.Typer()
    app.command(name="work", cls=Command)(work)
    typed = ["--out", str(tmp_path / "a b"), *more]
    assert run(app, typed, program="work") == code
    sentence = f"start again with: {shlex.join(['work', *typed])}"
    err = capsys.readouterr().err
    if more:
        text = f"{how}: nothing was written; {sentence}"
        assert json.loads(err) == {"error": text, "exit_code": code}
    else:
        assert err == f"{how}: nothing was written\n{sentence}\n"


@pytest.mark.parametrize(("rank", "lines"), [("0", 2), ("1", 0)])
def test_of_processes_that_train_together_one_says_it(monkeypatch, capsys, rank, lines):
    def work():
        raise KeyboardInterrupt

    monkeypatch.setitem(os.environ, "RANK", rank)
    app = typer.Typer()
    app.command(name="work", cls=Command)(work)
    assert run(app, [], program="work") == 130
    err = capsys.readouterr().err.splitlines()
    assert len(err) == lines
    assert not err or err[1] == "start again with, in the same launcher: work"
