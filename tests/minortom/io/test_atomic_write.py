"""Atomic writes of files and folders, and the lock against a second writer."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from minortom.errors import InputError
from minortom.io import atomic_write
from minortom.io.atomic_write import atomic_file, atomic_folder, output_lock, replace_folder


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path):
    out = tmp_path / "out"
    out.write_text("old")

    with pytest.raises(KeyboardInterrupt), atomic_file(out) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt

    assert out.read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


def test_the_error_about_a_full_disk_names_the_file(tmp_path):
    with (
        pytest.raises(OSError, match="No space left on device") as caught,
        atomic_file(tmp_path / "out"),
        Path("/dev/full").open("w") as full,
    ):
        full.write("new")
    assert caught.value.filename == str(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_finished_write_replaces_the_file_and_is_readable_by_the_group(tmp_path):
    out = tmp_path / "out"
    out.write_text("old")
    mode = out.stat().st_mode

    with atomic_file(out) as temporary:
        temporary.write_text("new")

    assert out.read_text() == "new"
    assert out.stat().st_mode == mode
    assert list(tmp_path.iterdir()) == [out]


@pytest.fixture
def group_reads():
    """A umask by which the group may read, and others may nothing."""
    before = os.umask(0o027)
    yield
    assert os.umask(before) == 0o027


@pytest.mark.parametrize("status", ["/proc/self/status", "/proc/self/cmdline", "/nowhere"])
@pytest.mark.usefixtures("group_reads")
def test_no_file_of_another_thread_becomes_writable_for_all(tmp_path, monkeypatch, status):
    set_umask = os.umask

    def set_umask_while_another_thread_writes(mask):
        before = set_umask(mask)
        (tmp_path / "other").touch()
        return before

    monkeypatch.setattr(os, "umask", set_umask_while_another_thread_writes)
    monkeypatch.setattr(atomic_write, "_STATUS", Path(status), raising=False)
    with atomic_file(tmp_path / "out") as temporary:
        temporary.write_text("new")
    with atomic_folder(tmp_path / "folder"):
        pass

    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes.pop("other", 0) & 0o077 == 0
    assert modes == {"out": 0o640, "folder": 0o750}


def test_an_interrupted_folder_leaves_the_old_folder_and_nothing_else(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "old").touch()

    with pytest.raises(RuntimeError), atomic_folder(out) as temporary:
        (temporary / "half").touch()
        raise RuntimeError

    assert [p.name for p in out.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [out]


def test_a_finished_folder_holds_only_the_new_files(tmp_path):
    out, new = tmp_path / "out", tmp_path / "new"
    out.mkdir()
    (out / "old").touch()
    new.mkdir()
    (new / "file").touch()

    replace_folder(new, out)

    assert [p.name for p in out.iterdir()] == ["file"]
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("make", [atomic_file, atomic_folder, output_lock])
@pytest.mark.parametrize("out", ["/proc/out", "/proc/folder/out"])
def test_an_output_on_a_file_system_of_the_kernel_is_refused_even_for_root(make, out):
    refused = pytest.raises(InputError, match=r"no file can be created in /proc(/folder)?; give")
    with refused, make(Path(out)):
        pass


def test_two_processes_do_not_make_the_same_output(tmp_path):
    out = tmp_path / "runs" / "shards"
    code = "import sys, pathlib; from minortom.io.atomic_write import output_lock\n"
    code += "with output_lock(pathlib.Path(sys.argv[1])): pass"
    command = [sys.executable, "-c", code, str(out)]

    with output_lock(out):
        second = subprocess.run(command, capture_output=True, text=True, check=False)
    third = subprocess.run(command, capture_output=True, text=True, check=False)

    assert "OutputExistsError: another process is writing" in second.stderr
    assert third.returncode == 0
    assert list(out.parent.iterdir()) == []
