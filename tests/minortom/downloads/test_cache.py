"""Cache of maps: changes are noticed, files are hashed once, old temporary folders are deleted."""

import os
import time

import pytest

from minortom.downloads.cache import scratch_folder, store, verify
from minortom.errors import InputError


@pytest.fixture
def kept(tmp_path):
    (tmp_path / "came").write_bytes(b"map")
    store(tmp_path / "came", tmp_path / "a.tif")
    return tmp_path / "a.tif"


def changed_before_its_hash(path):
    path.write_bytes(b"other")
    os.utime(path, (0, 0))


def test_a_change_with_an_old_time_stamp_is_found_by_hashing(kept):
    changed_before_its_hash(kept)
    verify(kept, thoroughly=False)
    with pytest.raises(InputError, match=r"a\.tif must have the SHA-256 .* found .*it has changed"):
        verify(kept, thoroughly=True)
    assert kept.read_bytes() == b"other"


def test_a_file_newer_than_its_hash_is_read_once(kept):
    beside = kept.with_name("a.tif.sha256")
    os.utime(beside, (0, 0))
    verify(kept, thoroughly=False)
    assert beside.stat().st_mtime_ns >= kept.stat().st_mtime_ns


def test_files_of_a_killed_run_are_deleted_after_a_day(tmp_path):
    for name, age_s in ((".fetch-old", 25 * 3600), (".fetch-new", 3600)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "half.tif").touch()
        os.utime(tmp_path / name, (time.time() - age_s,) * 2)
    with scratch_folder(tmp_path) as scratch:
        assert scratch.is_dir()
    assert [path.name for path in tmp_path.iterdir()] == [".fetch-new"]
