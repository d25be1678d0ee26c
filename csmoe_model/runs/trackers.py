"""Where a run's curves and pictures go beside its own files: TensorBoard, Weights & Biases."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from minortom.errors import InputError

Picture = NDArray[np.uint8]
"""Rows, columns, red green blue."""


@dataclass(frozen=True, kw_only=True)
class Tracking:
    """Where to send a run's numbers, beside its own files."""

    tensorboard: bool = True
    """Whether to write event files into the run's folder."""
    wandb_project: str | None = None
    """Project on Weights & Biases; None for no such thing."""


class Tracker(Protocol):
    """Takes numbers and pictures of a run, by step."""

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Take numbers by name, such as `train/loss`."""
        ...

    def picture(self, step: int, name: str, pixels: Picture) -> None:
        """Take a picture."""
        ...

    def close(self) -> None:
        """Write what is left."""
        ...


def start_trackers(tracking: Tracking, folder: Path, *, name: str, step: int) -> list[Tracker]:
    """Start them for a run that has done some steps.

    Args:
        tracking: Which ones.
        folder: Of the run; they write below it.
        name: Of the run, for people.
        step: Steps done; what was taken beyond them is dropped where that can be.

    Raises:
        InputError: If a package is missing.
    """
    trackers: list[Tracker] = []
    if tracking.tensorboard:
        trackers.append(TensorBoard(folder / "tensorboard", step=step))
    if tracking.wandb_project:
        trackers.append(WeightsAndBiases(folder, project=tracking.wandb_project, name=name))
    return trackers


class TensorBoard:
    """Event files for `tensorboard --logdir`."""

    def __init__(self, folder: Path, *, step: int) -> None:
        """Go on after a step; what event files have beyond it is not shown."""
        # Imported here: it takes a second, which runs without it need not wait for.
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder), purge_step=step + 1)

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Write numbers, each a curve of its own."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def picture(self, step: int, name: str, pixels: Picture) -> None:
        """Write a picture."""
        self._writer.add_image(name, pixels, step, dataformats="HWC")

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


class WeightsAndBiases:
    """A run on Weights & Biases; goes on with the same one after a stop."""

    def __init__(self, folder: Path, *, project: str, name: str) -> None:
        """Log in as `wandb` itself does: WANDB_API_KEY, WANDB_MODE and so on.

        Raises:
            InputError: If the package is missing or the service refuses.
        """
        try:
            wandb: Any = import_module("wandb")
        except ImportError:
            raise InputError(
                "--wandb-project needs the package wandb; install it with pip install "
                "'minortom[wandb]', or leave the option away"
            ) from None
        self._wandb = wandb
        known = folder / "wandb-id.txt"
        former = known.read_text(encoding="utf-8").strip() if known.is_file() else None
        try:
            self._run = wandb.init(
                project=project, name=name, dir=str(folder), id=former, resume="allow"
            )
        except wandb.Error as error:
            raise InputError(
                f"Weights & Biases refuses ({' '.join(str(error).split())}); log in with wandb "
                "login, set WANDB_MODE=offline, or leave --wandb-project away"
            ) from None
        known.write_text(f"{self._run.id}\n", encoding="utf-8")

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Send numbers."""
        self._run.log(dict(values), step=step)

    def picture(self, step: int, name: str, pixels: Picture) -> None:
        """Send a picture."""
        self._run.log({name: self._wandb.Image(pixels)}, step=step)

    def close(self) -> None:
        """Send what is left."""
        self._run.finish()
