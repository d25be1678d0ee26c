"""Lightning's writer of checkpoints, without its copy in the temporary folder."""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO


class DirectCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint where it is asked to.

    Lightning's own way is a copy in the system's temporary folder first, which may be small.
    """

    def __init__(self) -> None:
        """Begin without a failure."""
        super().__init__()
        self._failure: OSError | None = None

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | Path,
        storage_options: object = None,
    ) -> None:
        """Write a file, as `torch.save` does; what the disk refuses is for `publish` to raise.

        At once it would leave the other processes waiting for this one.
        """
        del storage_options
        self._failure = None
        try:
            with Path(path).open("wb") as stream:
                torch.save(checkpoint, stream)
        except OSError as error:
            self._failure = error
        except RuntimeError as error:
            # Torch closes its archive after a failed write, and complains of that instead.
            if not isinstance(error.__context__, OSError):
                raise
            self._failure = error.__context__

    def publish(self, whole: Path, checkpoint: Path) -> None:
        """Let what was written take the place of the checkpoint before.

        Raises:
            OSError: If it could not be written.
        """
        if self._failure is not None:
            self._failure.filename = self._failure.filename or str(whole)
            raise self._failure
        whole.replace(checkpoint)
