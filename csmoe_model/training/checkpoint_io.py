"""Lightning checkpoints: written without a copy in the temporary folder, and read with a check."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from csmoe_model.distributed.collectives import from_first_process, process_rank
from minortom.errors import InputError

_VERSION = "pytorch-lightning_version"
"""Key of a checkpoint that Lightning needs to resume."""


class DirectCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint directly to its path.

    Lightning's own plugin first writes a copy to the system's temporary folder, which may be too
    small.
    """

    def __init__(self) -> None:
        """Start without a failure."""
        super().__init__()
        self._failure: OSError | None = None

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | Path,
        storage_options: object = None,
    ) -> None:
        """Write a checkpoint with `torch.save`; keep an error of the disk for `publish`.

        Raising it here would leave the other processes waiting for this one.
        """
        del storage_options
        self._failure = None
        try:
            with Path(path).open("wb") as stream:
                torch.save(checkpoint, stream)
        except OSError as error:
            self._failure = error
        except RuntimeError as error:
            # After a failed write, PyTorch closes its archive and raises a RuntimeError instead.
            if not isinstance(error.__context__, OSError):
                raise
            self._failure = error.__context__

    def publish(self, written: Path, checkpoint: Path) -> None:
        """Replace the previous checkpoint by the file that was written.

        Raises:
            OSError: If the file could not be written.
        """
        if self._failure is not None:
            self._failure.filename = self._failure.filename or str(written)
            raise self._failure
        written.replace(checkpoint)


def save_checkpoint(trainer: lightning.Trainer, checkpoint: Path) -> None:
    """Write a new checkpoint, then replace the old one; all processes wait for it.

    Raises:
        OSError: If the file could not be written.
    """
    # Always the same name, so that the file of a killed process is overwritten.
    temporary = checkpoint.with_name("last.ckpt.tmp")
    writer = trainer.strategy.checkpoint_io
    assert isinstance(writer, DirectCheckpointIO)
    try:
        trainer.save_checkpoint(temporary)
        from_first_process(lambda: writer.publish(temporary, checkpoint))
    finally:
        if process_rank() == 0:
            temporary.unlink(missing_ok=True)


def last_step(checkpoint: Path, module: lightning.LightningModule) -> int:
    """Read the step of a checkpoint; 0 if the run stopped before its first checkpoint.

    Raises:
        InputError: If the file is damaged, or its weights do not fit the module.
    """
    if not checkpoint.is_file():
        return 0
    step = _step_in(checkpoint, module)
    if step is None:
        raise InputError(
            f"{checkpoint} is not a checkpoint of this run, or it is damaged; start again with "
            "--overwrite"
        )
    return step


def is_damaged(checkpoint: Path) -> bool:
    """Return whether a checkpoint exists and cannot be read."""
    return checkpoint.is_file() and _step_in(checkpoint) is None


def _step_in(checkpoint: Path, module: lightning.LightningModule | None = None) -> int | None:
    """Read the step of a checkpoint; None if it is damaged, or its weights do not fit a module."""
    try:
        with zipfile.ZipFile(checkpoint) as parts:
            damaged = parts.testzip()  # torch itself does not check the checksums
        found = torch.load(checkpoint, weights_only=True, mmap=True, map_location="cpu")
        stored = found["state_dict"]
        wanted = stored if module is None else module.state_dict()
        fits = {key: stored[key].shape == wanted[key].shape for key in (*stored, *wanted)}
        whole = damaged is None and all(fits.values()) and _VERSION in found
        return int(found["global_step"]) if whole else None
    except (OSError, RuntimeError, LookupError, TypeError, ValueError, AttributeError,
            EOFError, zipfile.BadZipFile, pickle.UnpicklingError):  # fmt: skip
        return None
