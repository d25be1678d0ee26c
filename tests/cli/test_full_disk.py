"""A file system that takes no more bytes is one line, and leaves nothing behind.

A limit on the size of files stands for it where no small file system can be mounted: writes beyond
it fail in the same places, with another error number.
"""

import os
import resource
import subprocess
import sys

import pytest

BEGIN = "import sys; from minortom_cli.main import main; "


def limited(words, num_bytes):
    """Run ``minortom`` with files of at most so many bytes; return exit code and stderr.

    Quietly: on a slow machine it would say that it is still at work.
    """
    words = ["minortom", *(str(word) for word in words), "--quiet"]
    code = BEGIN + f"sys.argv = {words!r}; main()"

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, num_bytes))

    done = subprocess.run(
        [sys.executable, "-B", "-c", code], capture_output=True, text=True, check=False,
        preexec_fn=limit,
    )  # fmt: skip
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "num_bytes",
    [
        1000,  # the first map
        pytest.param(100_000, marks=pytest.mark.soak),  # the second map
        pytest.param(300_000, marks=pytest.mark.soak),  # the list of cells
        pytest.param(2_000_000, marks=pytest.mark.soak),  # a part of the archive
    ],
)
def test_a_demo_that_does_not_fit_is_one_line(tmp_path, num_bytes):
    code, printed = limited(["demo", tmp_path / "a" / "planet", "--tiles", 1], num_bytes)
    assert code == 1
    [line] = printed.splitlines()
    assert line.startswith(f"error: {tmp_path}/a/planet: ")
    assert line.endswith(
        "; the file is larger than the system allows here; give a path on another disk"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_list_of_cells_that_does_not_fit_is_one_line(tmp_path):
    words = ["cells", "--bbox", "0,0,20,20", "--out", tmp_path / "a" / "cells.txt"]
    code, printed = limited(words, 100)
    assert (code, len(printed.splitlines())) == (1, 1)
    assert "a/cells.txt: File too large" in printed
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path):
    """Yield a function that makes a file system of a size in KiB, where the system allows it."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(size_kib):
        command = ["mount", "-t", "tmpfs", "-o", f"size={size_kib}k", "tmpfs", str(place)]
        if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("no file system can be mounted here")
        return place

    yield mount
    subprocess.run(["umount", str(place)], capture_output=True, check=False)


@pytest.mark.soak
@pytest.mark.parametrize("size_kib", [0, 40, 120, 500, 1500])
def test_a_full_disk_is_one_line(small_disk, size_kib):
    place = small_disk(size_kib or 4)
    if not size_kib:
        (place / "full").write_bytes(bytes(4096))
    before = sorted(place.iterdir())
    words = ["demo", place / "planet", "--tiles", 1]
    code, printed = limited(words, resource.RLIM_INFINITY)
    assert code == 1
    [line] = printed.splitlines()
    assert "No space left on device" in line or "[errno 28]" in line
    assert line.endswith("; free disk space, then run the same command again")
    assert sorted(place.iterdir()) == before
