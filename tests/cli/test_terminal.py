"""Programs as a shell starts them: colours, completion, ``python -m``."""

import os
import pty
import re
import subprocess
import sys

import pytest


def in_terminal(words, **env):
    """Return what a command prints on a terminal."""
    main, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", *words], stdin=terminal, stdout=terminal, stderr=terminal,
        env={**os.environ, "TERM": "xterm-256color", **env},
    )  # fmt: skip
    os.close(terminal)
    printed = b""
    while True:
        try:
            block = os.read(main, 4096)
        except OSError:  # the end of a terminal
            break
        if not block:
            break
        printed += block
    process.wait()
    os.close(main)
    return printed.decode()


COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-7]|4[0-7]|9[0-7]|38|48)(?:;\d+)*m")


@pytest.mark.parametrize("words", [("locate", "--lat", "500"), ("locate", "--lox", "5")])
def test_no_colour_is_printed_where_it_is_forbidden(words):
    assert COLOUR.search(in_terminal(("minortom", *words), NO_COLOR=""))
    printed = in_terminal(("minortom", *words), NO_COLOR="1")
    assert not COLOUR.search(printed)
    assert "rror" in printed


def test_control_characters_of_a_table_are_escapes_and_its_links_are_whole(tmp_path):
    points = tmp_path / "points.csv"
    points.write_text("lat,lon,note\n-33.92,18.42,\x1b[2J https://site/photo?id=42\n")

    printed = in_terminal(("minortom", "locate", "--points", str(points)))

    assert r"18.42,\x1b[2J https://site/photo?id=42,378D_170R" in printed


@pytest.mark.parametrize("module", ["minortom", "csmoe_model"])
def test_a_package_runs_as_its_command(module):
    done = subprocess.run(
        [sys.executable, "-m", module, "-h"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"Usage: python -m {module} [OPTIONS] COMMAND")


@pytest.mark.parametrize(
    ("main", "program", "typed", "completed"),
    [
        ("main", "minortom", "minortom sam", "sample"),
        ("main_csmoe", "csmoe", "csmoe text cl", "classify"),
        ("main_train", "csmoe-train", "csmoe-train shards --join", "--join-timeout"),
    ],
)
def test_a_shell_completes_words_once_that_is_installed(tmp_path, main, program, typed, completed):
    script = tmp_path / program
    script.write_text(
        f"#!{sys.executable}\nfrom minortom_cli.main import {main}\n{main}()\n", encoding="utf-8"
    )
    script.chmod(0o755)
    home = {**os.environ, "HOME": str(tmp_path)}
    subprocess.run(
        ["bash", "-c", f"{script} --install-completion; true"], env=home, check=True,
        capture_output=True,
    )  # fmt: skip
    installed = tmp_path / ".bash_completions" / f"{program}.sh"
    assert str(installed) in (tmp_path / ".bashrc").read_text()

    words = typed.split()
    ask = (
        f"source {installed}; COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; "
        f"_{program.replace('-', '_')}_completion {script}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    done = subprocess.run(["bash", "-c", ask], env=home, check=True, capture_output=True, text=True)
    assert completed in done.stdout.split()
