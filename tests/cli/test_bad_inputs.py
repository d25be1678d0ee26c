"""Bad inputs of every command: no traceback, no hang, no file left over.

Each case is a valid call with one fault in an input or an option, drawn by its number.
"""

import os
import shutil
import signal
import tempfile
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import typer
from bad_commands import COMMANDS, app_and_words, inputs_of
from bad_inputs import spoil
from bad_values import TEXTS
from command_inputs import Ground
from minortom_cli.console import run

from minortom.api.cores import available_cores
from minortom.remote import http

ALL = 440
MAX_S = 60 * max(1.0, os.getloadavg()[0] / available_cores())
"""Longest call; on a busy machine all calls take longer."""
LEFT_OVER = (".partial", ".tmp", ".lock", "~")

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    return Ground(tmp_path_factory.mktemp("ground"))


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """Keep a command off the network, and what it stores in folders that a test can look into."""
    monkeypatch.setattr(http, "RETRY_POLICY", replace(http.RETRY_POLICY, retries=0, backoff_s=0))
    for name, value in {
        "MINORTOM_CACHE": str(tmp_path / "cache"), "MINORTOM_MIRROR": "http://127.0.0.1:1",
        "HF_HUB_OFFLINE": "1",
        "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache" / "torch"),
        "HF_ENDPOINT": "http://127.0.0.1:1", "COLUMNS": "200",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    for name in ("work", "temporary"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.chdir(tmp_path / "work")


def command_of(number):
    """Return the command of a case; those of the quick suite need no trained model."""
    if number % 10 == 0:
        made = ("{run}", "{probed}", "{tuned}")
        quick = [c for c in COMMANDS if not any(name in c for name in made)]
        return quick[number // 10 % len(quick)]
    return COMMANDS[number % len(COMMANDS)]


def prepared(number, ground, folder):
    """Return the words of a bad call, its app, and what its fault is."""
    rng = np.random.default_rng(number)
    command = command_of(number)
    names = inputs_of(command)
    places = {name: ground.copy(name, folder) for name in names}
    values = {name: str(place) for name, place in places.items()} | {"out": str(folder / "out")}
    if "{patch}" in command:
        values["patch"] = ground.patch()
    app, words = app_and_words(command)
    words = [word.format(**values) for word in words]
    if not names or rng.random() < 0.25:
        return app, *_with_odd_option(app, words, rng)
    name = names[rng.integers(len(names))]
    return app, words, f"{name}: {spoil(places[name], rng)}"


def _with_odd_option(app, words, rng):
    """Return the words with an odd value for one option of the command."""
    command = typer.main.get_command(app)
    for word in words:
        if word not in getattr(command, "commands", {}):
            break
        command = command.commands[word]
    options = [o for o in command.params if o.opts[0].startswith("--") and not o.is_flag]
    option = options[rng.integers(len(options))]
    value = TEXTS[rng.integers(len(TEXTS) - 1)]  # the last one cannot be typed
    if option.opts[0] in words:
        place = words.index(option.opts[0])
        words = words[:place] + words[place + 2 :]
    return [*words, f"{option.opts[0]}={value}"], f"{option.opts[0]}={value[:40]!r}"


def files_in(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize(
    "number",
    [pytest.param(n, marks=() if n % 10 == 0 else pytest.mark.soak) for n in range(ALL)],
)
def test_a_bad_input_is_one_line(number, ground, tmp_path, capfd):
    folder = tmp_path / "case"
    folder.mkdir()
    app, words, fault = prepared(number, ground, folder)
    before = files_in(tmp_path)
    capfd.readouterr()
    watch = threading.Timer(MAX_S, os.kill, (os.getpid(), signal.SIGINT))
    watch.start()
    started = time.monotonic()
    try:
        code = run(app, words)
    except Exception as error:
        error.add_note(f"{command_of(number)} with {fault}")
        raise
    finally:
        watch.cancel()
    err = capfd.readouterr().err
    called = f"{' '.join(words)} with {fault}: {code}\n{err}"
    assert code in (0, 1, 2), called
    assert time.monotonic() - started < MAX_S, called
    assert "Traceback" not in err, called
    if code == 1:
        lines = [line for line in err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1 and err.endswith(f"{lines[0]}\n"), called
    new = files_in(tmp_path) - before
    assert not [name for name in new if name.endswith(LEFT_OVER) or "/." in f"/{name}"], called
    if code != 0:
        assert not [name for name in new if not name.startswith("cache")], called
    shutil.rmtree(folder)
