"""Replacement of an output in one step, and what killed processes leave beside it."""

import signal
import subprocess
import sys
import threading

import pytest

from minortom.io import atomic_write
from minortom.io.atomic_write import atomic_file, atomic_folder, output_lock, recover
from minortom.io.exchange import exchange

KILLED = """
import os, sys
from pathlib import Path
from minortom.io import atomic_write
out, where = Path(sys.argv[1]), sys.argv[2]
kill = lambda *_: os.kill(os.getpid(), 9)
if where == "between":
    atomic_write.exchange = lambda *_: False
    move = atomic_write.move_aside
    atomic_write.move_aside = lambda path: (move(path), kill())
if where == "replaced":
    atomic_write.remove = kill
with atomic_write.output_lock(out), getattr(atomic_write, sys.argv[3])(out) as temporary:
    if temporary.is_dir():
        (temporary / "new").touch()
    else:
        temporary.write_text("new")
    if where == "during":
        kill()
"""


def killed(out, where, kind="atomic_folder"):
    """Write an output in a process that kills itself."""
    command = [sys.executable, "-c", KILLED, str(out), where, kind]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def old(tmp_path):
    """A folder with one file, in a folder of its own."""
    out = tmp_path / "below" / "out"
    out.mkdir(parents=True)
    (out / "old").touch()
    return out


def test_two_folders_change_places(old):
    new = old.with_name("new")
    new.mkdir()
    assert exchange(new, old)
    assert (names_in(new), names_in(old)) == (["old"], [])


def test_an_exchange_with_nothing_is_an_error(old):
    with pytest.raises(FileNotFoundError):
        exchange(old.with_name("nothing"), old)
    assert names_in(old) == ["old"]


def test_a_replaced_folder_is_never_missing(old):
    missing, done = [], threading.Event()

    def look():
        while not done.is_set():
            if not old.is_dir():
                missing.append(True)

    thread = threading.Thread(target=look)
    thread.start()
    for _ in range(200):
        with atomic_folder(old):
            pass
    done.set()
    thread.join()
    assert missing == []
    assert names_in(old.parent) == ["out"]


@pytest.mark.parametrize(
    ("where", "wanted"), [("during", "old"), ("between", "old"), ("replaced", "new")]
)
def test_a_killed_replacement_leaves_the_old_or_the_new_folder(old, where, wanted):
    killed(old, where)
    recover(old)
    assert names_in(old) == [wanted]
    assert names_in(old.parent) == ["out"]


def test_a_killed_write_of_a_file_leaves_the_old_one(tmp_path):
    out = tmp_path / "out"
    out.write_text("old")
    killed(out, "during", "atomic_file")
    assert len(names_in(tmp_path)) == 3  # with the lock and the temporary file
    with atomic_file(out) as temporary:
        assert list(tmp_path.glob(".*.tmp")) == [temporary]
        temporary.write_text("new")
    recover(out)
    assert names_in(tmp_path) == ["out"]


def test_a_folder_system_that_cannot_exchange_replaces_in_two_steps(old, monkeypatch):
    monkeypatch.setattr(atomic_write, "exchange", lambda *_: False)
    with atomic_folder(old) as temporary:
        (temporary / "new").touch()
    assert names_in(old) == ["new"]
    assert names_in(old.parent) == ["out"]


def test_a_living_process_keeps_its_files(tmp_path):
    out = tmp_path / "out"
    with atomic_file(out) as one, atomic_folder(out.with_name("other")) as folder:
        code = "import sys, pathlib; from minortom.io.leftovers import clean_up\n"
        code += "[clean_up(pathlib.Path(word)) for word in sys.argv[1:]]"
        words = [sys.executable, "-c", code, str(out), str(out.with_name("other"))]
        subprocess.run(words, check=True)
        assert one.exists()
        assert folder.exists()
        one.write_text("whole")
    assert out.read_text() == "whole"


def test_files_of_others_stay(tmp_path):
    names = (".out.parquet.abcdefgh.tmp", ".out.tmp", "out.abcdefgh.tmp", ".out.old-", ".out.old-x")
    for name in names:
        (tmp_path / name).touch()
    with output_lock(tmp_path / "out"):
        pass
    assert names_in(tmp_path) == sorted(names)


def test_a_link_to_a_folder_is_replaced_and_its_folder_stays(old):
    link = old.with_name("link")
    link.symlink_to(old)
    with atomic_folder(link) as temporary:
        (temporary / "new").touch()
    assert not link.is_symlink()
    assert (names_in(link), names_in(old)) == (["new"], ["old"])
    assert names_in(old.parent) == ["link", "out"]


@pytest.mark.parametrize("make", [atomic_file, atomic_folder, output_lock])
def test_a_failed_write_leaves_no_parent_folders(tmp_path, make):
    (tmp_path / "there").mkdir()
    with pytest.raises(KeyboardInterrupt), make(tmp_path / "there" / "a" / "b" / "out"):
        raise KeyboardInterrupt
    assert names_in(tmp_path / "there") == []


@pytest.mark.parametrize("there", [True, False])
def test_recovery_creates_nothing(tmp_path, there):
    out = tmp_path / "below" / "out" if there else tmp_path / "out"
    recover(out)
    assert names_in(tmp_path) == []
