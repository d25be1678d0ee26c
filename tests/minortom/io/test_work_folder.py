"""Folder of unfinished work: a deletion that was killed is completed."""

import pytest

from minortom.io import work_folder as module
from minortom.io.provenance import Provenance
from minortom.io.work_folder import delete_work_folder, prepare_work_folder, work_folder

PROVENANCE = Provenance(command="export", options={"seed": 1})


@pytest.fixture
def work(tmp_path):
    """Return a folder of finished work."""
    work = work_folder(tmp_path / "out")
    prepare_work_folder(work, PROVENANCE, overwrite=False)
    for name in ("receipts", "shards"):
        (work / name).mkdir()
        (work / name / "0.json").write_text("{}")
    (work / "convergence.log").write_text("")
    return work


class Killed(BaseException):
    """The process ends here."""


def test_work_of_another_provenance_stays(work):
    before = sorted(work.rglob("*"))
    delete_work_folder(work, Provenance(command="export", options={"seed": 2}))
    assert sorted(work.rglob("*")) == before


@pytest.mark.parametrize("provenance", [PROVENANCE, None])
@pytest.mark.parametrize("steps", range(6))
def test_a_deletion_that_was_killed_is_completed(work, monkeypatch, steps, provenance):
    left = steps

    def counted(act):
        def do(path):
            nonlocal left
            if not left:
                raise Killed
            left -= 1
            act(path)

        return do

    with monkeypatch.context() as patch:
        patch.setattr(module.shutil, "rmtree", counted(module.shutil.rmtree))
        for name in ("unlink", "rmdir"):
            patch.setattr(module.Path, name, counted(getattr(module.Path, name)))
        try:
            delete_work_folder(work, provenance)
        except Killed:
            assert work.exists()
    delete_work_folder(work, provenance)
    assert not work.exists()
