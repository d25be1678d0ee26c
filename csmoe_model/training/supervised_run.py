"""Life cycle of a supervised training in its folder: start or resume, train, stop by a signal."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from csmoe_model.runs.folder import RunFolder
from csmoe_model.runs.trackers import Tracking
from csmoe_model.training.signals import StopRequest
from csmoe_model.training.supervised import (
    NO_TRACKING,
    OnStep,
    SupervisedResult,
    train_supervised,
)
from csmoe_model.training.supervised_module import Supervised
from minortom.errors import InputError
from minortom.io.atomic_write import output_lock
from minortom.io.provenance import Provenance
from minortom.io.run_records import complete_run_record, write_run_record
from minortom.io.up_to_date import now

_log = logging.getLogger(__name__)


def run_in_folder(
    folder: RunFolder, provenance: Provenance, *, inputs: Sequence[Path], resume: bool,
    overwrite: bool, work: Callable[[], None],
) -> str:  # fmt: skip
    """Do the work of a run unless it is finished; return `trained` or `up to date`.

    Args:
        folder: Folder of the run, whose log has `COLUMNS`; it is locked for other processes.
        provenance: Everything that the result depends on.
        inputs: Files and folders that a new run must not replace.
        resume: Whether to continue an unfinished run.
        overwrite: Whether to replace another run.
        work: Takes the steps that are left, and writes the result.

    Raises:
        InputError: If there is no run to resume, it has another configuration, or the run to
            replace contains an input.
        OutputExistsError: If the folder is another output.
    """
    with output_lock(folder.path):
        started = now()
        state = folder.state(provenance, inputs=inputs, resume=resume, overwrite=overwrite)
        _log.debug("the run in %s is %s; seed %s", folder.path, state, provenance.seed)
        if state == "lengthened":
            raise InputError(
                f"--resume continues a run with its own --epochs, found others than those of the "
                f"finished run in {folder.path}; give another --out"
            )
        if state == "finished":
            folder.delete_replaced()
            complete_run_record(folder.path, provenance, started)
            return "up to date"
        if state == "new":
            folder.start(provenance)
        with folder.removed_on_bad_input(is_new=state == "new"):
            work()
        folder.delete_replaced()
        write_run_record(folder.path, started, provenance=provenance)
        return "trained"


def train_or_stop(
    task: Supervised[Any], *, folder: RunFolder, save_every: int, on_step: OnStep,
    tracking: Tracking = NO_TRACKING,
) -> SupervisedResult:  # fmt: skip
    """Train as `train_supervised` does; after a signal, save and deliver it.

    Raises:
        MinorTomError: As `train_supervised`.
        KeyboardInterrupt: After SIGINT.
        SystemExit: After SIGTERM.
    """
    with StopRequest() as stop:
        end = train_supervised(
            task, folder=folder, stop=stop, save_every=save_every, on_step=on_step,
            tracking=tracking,
        )  # fmt: skip
    stop.deliver()
    assert end is not None  # because a run that stops early has got a signal
    return end
