import errno
import json
import logging
import os

import pytest
import typer
from minortom_cli import console

from minortom.errors import InputError, UsageError
from minortom.io.table_columns import read_table


def app_that(act):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(act)
    return app


def raise_(error):
    raise error


def test_a_users_mistake_is_one_line_and_exit_code_1(capsys):
    code = console.run(app_that(lambda: raise_(InputError("wanted a,\n found b"))), [])

    assert code == 1
    assert capsys.readouterr() == ("", "error: wanted a, found b\n")


def test_a_warning_of_a_library_is_one_line_on_stderr(capsys):
    def act():
        for name in ("minortom.grid", "csmoe_model.training"):
            logging.getLogger(name).warning("closed %d\n rings", 2)
        logging.getLogger("minortom").info("not shown")
        console.emit({"tiles": 3}, as_json=True)

    for _ in range(2):
        assert console.run(app_that(act), []) == 0
        out, err = capsys.readouterr()
        assert json.loads(out) == {"tiles": 3}
        assert err == "note: closed 2 rings\n" * 2


@pytest.mark.parametrize("as_json", [False, True])
def test_a_terminal_gets_no_control_characters_from_a_file(capsys, as_json):
    name = "\x1b]0;title\x07\x9b2J\u202eexe.fig"

    def act():
        logging.getLogger("minortom").warning("found %s", name)
        console.emit({"stratum": name, "counts": {name: 1}}, as_json=as_json)
        console.emit([{name: name}], as_json=as_json)
        raise InputError(f"wanted a, found {name}")

    assert console.run(app_that(act), []) == 1
    out, err = capsys.readouterr()
    assert not [s for s in out + err if not (s.isprintable() or s == "\n")], ascii(out + err)
    shown = r"\x1b]0;title\x07\x9b2J\u202eexe.fig"
    assert f"note: found {shown}\n" in err
    assert f"error: wanted a, found {shown}\n" in err
    if as_json:
        assert json.JSONDecoder().raw_decode(out)[0] == {"stratum": name, "counts": {name: 1}}
    else:
        assert f"{shown} 1" in out


def test_options_that_do_not_go_together_are_one_line_and_exit_code_2(capsys):
    code = console.run(app_that(lambda: raise_(UsageError("give --a or --b, not both"))), [])

    assert code == 2
    assert capsys.readouterr() == ("", "error: give --a or --b, not both\n")


def test_a_full_disk_is_one_line_that_says_where(capsys):
    full = OSError(errno.ENOSPC, "No space left on device", "/data/shards")

    assert console.run(app_that(lambda: raise_(full)), []) == 1
    assert capsys.readouterr().err == (
        "error: /data/shards: No space left on device; free disk space, then run the same command "
        "again\n"
    )


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("x" * 300, "File name too long; give a shorter path"),
        ("file/x", "Not a directory; one of the folders of this path is a file; give another path"),
        ("loop/x", "Too many levels of symbolic links; give a path whose links do not lead in"),
    ],
)
def test_a_path_that_cannot_be_is_one_line(capsys, tmp_path, path, message):
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")

    assert console.run(app_that((tmp_path / path).read_bytes), []) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"error: {tmp_path / path}: {message}") and err.count("\n") == 1


def test_a_path_that_is_not_utf_8_is_one_line(capsys, tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.parquet")
    path.touch()

    code = console.run(app_that(lambda: read_table(path, None, made_by="minortom annotate")), [])

    assert code == 1
    err = capsys.readouterr().err
    assert err.startswith("error: the path ") and err.count("\n") == 1
    assert r"caf\udce9.parquet is not UTF-8; rename the file or folder" in err


def test_wrong_usage_keeps_exit_code_2(capsys):
    assert console.run(app_that(lambda: None), ["--no-such-option"]) == 2
    assert "No such option" in capsys.readouterr().err


def test_an_interrupt_is_130():
    assert console.run(app_that(lambda: raise_(KeyboardInterrupt())), []) == 130


def test_sigterm_unwinds_and_is_143():
    undone = []

    def act():
        try:
            os.kill(os.getpid(), 15)
        finally:
            undone.append(True)

    assert console.run(app_that(act), []) == 143
    assert undone == [True]


def test_another_failure_of_the_system_is_a_bug():
    with pytest.raises(OSError, match="Bad file descriptor"):
        console.run(app_that(lambda: raise_(OSError(errno.EBADF, "Bad file descriptor"))), [])


def test_a_bug_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        console.run(app_that(lambda: raise_(ZeroDivisionError())), [])


def test_json_is_the_result_alone(capsys):
    console.emit({"tiles": 3, "dropped": {"sea": 1}}, as_json=True)

    out, err = capsys.readouterr()
    assert json.loads(out) == {"tiles": 3, "dropped": {"sea": 1}}
    assert err == ""


def test_a_table_shows_every_key_and_value_without_markup(capsys):
    console.emit({"tiles": 90203, "path": "[bold]x[/bold]", "none": None}, as_json=False)

    assert capsys.readouterr().out.split() == [
        "tiles",
        "90,203",
        "path",
        "[bold]x[/bold]",
        "none",
        "–",
    ]


def test_rows_share_one_header(capsys):
    console.emit([{"recipe": "tiny", "params": 1}, {"recipe": "small", "params": 2}], as_json=False)

    out = capsys.readouterr().out
    assert out.count("recipe") == 1
    assert "tiny" in out and "small" in out
