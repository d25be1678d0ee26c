"""Checkpoint plugin for Lightning that writes without a copy in the temporary folder."""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO


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
