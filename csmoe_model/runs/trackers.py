"""Experiment trackers that get the curves and pictures of a run: TensorBoard, Weights & Biases."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from minortom.api.arguments import flag
from minortom.api.packages import require_package
from minortom.errors import InputError

Picture = NDArray[np.uint8]
"""RGB values, [row, column, band]."""


@dataclass(frozen=True, kw_only=True)
class Tracking:
    """Trackers that get the numbers of a run, in addition to its own files."""

    tensorboard: bool = True
    """Whether to write event files into the folder of the run."""
    wandb_project: str | None = None
    """Project on Weights & Biases; None for no tracking there."""


def check_tracking(tracking: Tracking) -> None:
    """Check that the packages of the trackers are installed.

    Raises:
        InputError: If one is missing, or a value is not allowed.
    """
    if flag("tensorboard", tracking.tensorboard):
        require_package("tensorboard", needed_by="--tensorboard", extra="train")
    if tracking.wandb_project:
        require_package("wandb", needed_by="--wandb-project", extra="wandb")


class Tracker(Protocol):
    """Receives the numbers and pictures of a run."""

    def log_numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Log numbers by name, such as `train/loss`."""
        ...

    def log_picture(self, step: int, name: str, pixels: Picture) -> None:
        """Log a picture."""
        ...

    def close(self) -> None:
        """Write all buffers."""
        ...


def start_trackers(tracking: Tracking, folder: Path, *, name: str, step: int) -> list[Tracker]:
    """Start the trackers of a run that has taken some steps.

    Args:
        tracking: Trackers to start.
        folder: Folder of the run; trackers write below it.
        name: Name of the run.
        step: Number of steps taken. Entries of later steps are removed where possible.

    Raises:
        InputError: If a service rejects the login.
    """
    trackers: list[Tracker] = []
    # First the one that may refuse: nothing is open yet, and the folder can be removed.
    if tracking.wandb_project:
        trackers.append(WeightsAndBiases(folder, project=tracking.wandb_project, name=name))
    if tracking.tensorboard:
        trackers.append(TensorBoard(folder / "tensorboard", step=step))
    return trackers


class TensorBoard:
    """Event files for `tensorboard --logdir`."""

    def __init__(self, folder: Path, *, step: int) -> None:
        """Continue after a step; TensorBoard hides entries of later steps."""
        # Imported here because it takes a second.
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder), purge_step=step + 1)

    def log_numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Write numbers, one curve each."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def log_picture(self, step: int, name: str, pixels: Picture) -> None:
        """Write a picture."""
        self._writer.add_image(name, pixels, step, dataformats="HWC")

    def close(self) -> None:
        """Write all buffers."""
        self._writer.close()


class WeightsAndBiases:
    """A run on Weights & Biases; a resumed run continues it."""

    def __init__(self, folder: Path, *, project: str, name: str) -> None:
        """Log in as `wandb` does, with WANDB_API_KEY, WANDB_MODE and so on.

        Raises:
            InputError: If the service rejects the login.
        """
        wandb: Any = import_module("wandb")
        self._wandb = wandb
        known = folder / "wandb-id.txt"
        previous = known.read_text(encoding="utf-8").strip() if known.is_file() else None
        try:
            self._run = wandb.init(
                project=project, name=name, dir=str(folder), id=previous, resume="allow"
            )
        except wandb.Error as error:
            raise InputError(
                f"Weights & Biases does not accept the run ({' '.join(str(error).split())}); run "
                "wandb login, set WANDB_MODE=offline, or omit --wandb-project"
            ) from None
        known.write_text(f"{self._run.id}\n", encoding="utf-8")

    def log_numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Send numbers."""
        self._run.log(dict(values), step=step)

    def log_picture(self, step: int, name: str, pixels: Picture) -> None:
        """Send a picture."""
        self._run.log({name: self._wandb.Image(pixels)}, step=step)

    def close(self) -> None:
        """Send all buffers."""
        self._run.finish()
