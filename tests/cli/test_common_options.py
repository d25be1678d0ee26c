"""Options that all commands share: help with examples, messages, errors as JSON."""

import json
import logging
import re
import shlex
import threading
from pathlib import Path

import pytest
import typer
from error_lines import one_line
from minortom_cli.command import HELP_NAMES, Command, Group
from minortom_cli.console import Json, emit, progress, run, say
from minortom_cli.help_text.examples import examples_of
from minortom_cli.help_text.help_page import command_lines
from minortom_cli.terminal import heartbeat
from typed_commands import commands_and_groups, context_of
from typed_pages import type_in

from minortom.errors import InputError

ALL = [pytest.param(words, id=" ".join(words)) for words, _ in commands_and_groups()]
EXAMPLES = [
    pytest.param(words, shlex.split(example), id=example[:60])
    for words, _ in commands_and_groups()
    for example in examples_of(" ".join(words))
]


def app_that(act, name="work"):
    app = typer.Typer(name="tool", cls=Group, context_settings=HELP_NAMES)
    app.command(name=name, cls=Command)(act)
    app.callback()(lambda: None)
    return app


def work(as_json: Json = False):
    """Do what commands do: say, log, show progress, print a result."""
    say("a message of https://user:secret@host/a.tif")
    logging.getLogger("minortom.grid").warning("a\nwarning")
    logging.getLogger("csmoe_model.data").debug("a detail")
    with progress("tiles") as move:
        move(1, 2)
    emit({"tiles": 3}, as_json=as_json)


def refused(as_json: Json = False):
    del as_json
    raise InputError("expected a,\n found b")


@pytest.mark.parametrize("words", ALL)
def test_every_command_has_the_common_options_and_an_example(words):
    context = context_of(words, incomplete=True)
    options = [name for option in context.command.get_params(context) for name in option.opts]

    assert {"-h", "--help", "-q", "--quiet", "-v", "--verbose", "--log-file"} <= set(options)
    assert len(options) == len(set(options))
    assert examples_of(" ".join(words))


@pytest.mark.parametrize(("words", "example"), EXAMPLES)
def test_an_example_is_a_call_of_its_command(words, example):
    called = context_of(example)

    assert called.params
    assert tuple(example[: len(words)]) == words


@pytest.mark.parametrize("words", ALL)
def test_help_is_legible_at_60_columns(words, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    context = context_of(words, incomplete=True)
    text = re.sub(r"\x1b\[\d*m", "", context.command.get_help(context))

    for line in text.splitlines():
        assert len(line) <= 60 or len(line.split()) <= 3, line  # one long word
    for option in context.command.get_params(context):
        name = option.opts[0] if option.param_type_name == "option" else option.metavar or ""
        assert re.search(rf"^  .*{re.escape(name)}", text, re.MULTILINE)
    assert "\nExamples:\n  " + words[0] in text


@pytest.mark.parametrize("width", [24, 40, 60, 100])
@pytest.mark.parametrize("example", [case.values[1] for case in EXAMPLES], ids=shlex.join)
def test_a_shell_joins_the_lines_of_an_example(example, width):
    lines = command_lines(shlex.join(example), width=width)

    assert shlex.split("\n".join(lines).replace("\\\n", "")) == example


@pytest.mark.parametrize("command", ["minortom", "csmoe", "csmoe text"])
def test_without_a_subcommand_the_help_is_printed(command, capsys, monkeypatch):
    assert type_in(f"{command} -h", monkeypatch) == 0
    asked = capsys.readouterr().out
    assert type_in(command, monkeypatch) == 2
    assert capsys.readouterr() == (asked, "")
    assert "\nExamples:\n" in asked


def test_quiet_prints_the_result_and_errors_alone(capsys):
    assert run(app_that(work), ["work", "-q"]) == 0
    out, err = capsys.readouterr()
    assert (out.split(), err) == (["tiles", "3"], "")
    assert run(app_that(refused), ["-q", "work"]) == 1
    assert capsys.readouterr() == ("", "error: expected a, found b\n")


def test_verbose_adds_what_the_libraries_log(capsys):
    assert run(app_that(work), ["work", "--verbose"]) == 0
    lines = capsys.readouterr().err.splitlines()

    assert lines[0].startswith("debug: minortom ") and lines[0].endswith(" work --verbose")
    assert lines[1:4] == [
        "a message of https://host/a.tif", "note: a warning", "debug: a detail"
    ]  # fmt: skip
    assert re.fullmatch(r"debug: finished in [\d.]+ s", lines[4])
    assert logging.getLogger("minortom").level == logging.NOTSET


def test_quiet_and_verbose_contradict_each_other(capsys):
    assert run(app_that(work), ["work", "-q", "-v"]) == 2
    assert capsys.readouterr().err == (
        "error: --quiet and --verbose contradict each other; give one of them\n"
    )


def test_a_log_file_has_every_message_with_its_time_and_no_secret(tmp_path, capsys):
    log = tmp_path / "logs" / "work.log"
    assert run(app_that(work), ["work", "-q", "--log-file", str(log)]) == 0
    assert run(app_that(refused), ["--log-file", str(log), "work"]) == 1
    capsys.readouterr()

    lines = log.read_text().splitlines()
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \d+ "
    assert all(re.match(time + "(DEBUG|INFO|WARNING|ERROR) ", line) for line in lines if line)
    said = [re.sub(time, "", line) for line in lines]
    assert "INFO a message of https://host/a.tif" in said
    assert "DEBUG a detail" in said
    assert said[-1] == "ERROR error: expected a, found b"


def test_a_bug_leaves_its_traceback_in_the_log_file(tmp_path):
    log = tmp_path / "work.log"
    with pytest.raises(ZeroDivisionError):
        run(app_that(lambda: 1 // 0), ["work", "--log-file", str(log)])
    assert "ZeroDivisionError" in log.read_text()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (".", "expected a file, found the folder"),
        ("text.txt/work.log", "cannot write"),
        ("text.txt/logs/work.log", "cannot write"),
        ("tiles.parquet", "expected a new file or a text file, found other data in"),
    ],
)
def test_a_path_that_can_be_no_log_file_is_an_error_of_one_line(tmp_path, capsys, name, said):
    (tmp_path / "text.txt").write_text("text\n")
    (tmp_path / "tiles.parquet").write_bytes(b"PAR1\x15\x00PAR1")
    path = tmp_path / name
    assert run(app_that(work), ["work", "--log-file", str(path)]) == 1
    assert one_line(capsys.readouterr().err).startswith(f"error: --log-file: {said} {path}")
    assert (tmp_path / "text.txt").read_text() == "text\n"
    assert (tmp_path / "tiles.parquet").read_bytes() == b"PAR1\x15\x00PAR1"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_command_goes_on_where_the_disk_takes_no_further_messages(capsys):
    assert run(app_that(work), ["work", "--log-file", "/dev/full"]) == 0
    out, err = capsys.readouterr()
    assert out.split() == ["tiles", "3"]
    assert err.splitlines() == [
        "note: /dev/full has no further messages: No space left on device",
        "a message of https://host/a.tif",
        "note: a warning",
    ]


@pytest.mark.parametrize(
    ("act", "words", "code", "error"),
    [
        (refused, ["work", "--json"], 1, "expected a, found b"),
        (work, ["work", "--json", "--nope"], 2, "No such option: --nope"),
        (work, ["work", "--json", "-q", "-v"], 2, "--quiet and --verbose contradict each other"),
    ],
)
def test_with_json_an_error_is_one_object(capsys, act, words, code, error):
    assert run(app_that(act), words) == code
    out, err = capsys.readouterr()

    assert out == "" and err.count("\n") == 1
    found = json.loads(err)
    assert found.pop("error").startswith(error)
    assert found == {"exit_code": code}


def test_a_heartbeat_says_how_far_the_work_is(monkeypatch):
    lines, both = [], threading.Event()
    monkeypatch.setattr(heartbeat, "WAITS_S", (0.2, 0.01, 60.0))
    monkeypatch.setattr(heartbeat.time, "monotonic", iter(range(0, 1000, 75)).__next__)

    def write(line):
        lines.append(line)
        move(1200, 4000, "fine")
        if len(lines) == 2:
            both.set()

    with heartbeat.heartbeat("tiles", write) as move:
        assert both.wait(10)
    assert lines == ["tiles: started (1 min 15 s)", "tiles: 1,200 of 4,000, fine (2 min 30 s)"]


def test_a_pipe_gets_heartbeats_unless_the_command_is_quiet(monkeypatch, capsys):
    def slow():
        with progress("tiles") as move:
            move(1, 2)
            threads = [t for t in heartbeat.threading.enumerate() if t.name == "heartbeat"]
            for thread in threads:
                thread.join(3.0)

    monkeypatch.setattr(heartbeat, "WAITS_S", (0.01, 60.0))
    assert run(app_that(slow), ["work"]) == 0
    assert re.fullmatch(r"tiles: 1 of 2 \(\d+ s\)\n", capsys.readouterr().err)
    assert run(app_that(slow), ["work", "-q"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("width", [60, 80, 99, 100, 140])
def test_the_numbers_of_a_progress_bar_stay_whole(monkeypatch, capsys, width):
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then treats any stream as a terminal
    monkeypatch.setenv("COLUMNS", str(width))
    with progress("steps") as move:
        move(1200, 400_000, "loss 7.078, 10 pairs/s, 100% busy, 12.72 GB")
    shown = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", capsys.readouterr().err)
    [line] = {line.strip() for line in re.split(r"[\r\n]", shown) if "1200" in line}
    assert len(line) <= width
    assert re.match(r"steps .*1200/400000 .*loss 7.078, 10 pairs/s, ", line)
    assert ("━" in line) == (width >= 100)
