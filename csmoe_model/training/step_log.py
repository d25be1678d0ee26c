"""Log of the training steps: means of the loss terms, learning rate and speed, as rows."""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from csmoe_model.runs.csv_log import SPEED
from csmoe_model.runs.run_logger import RunLogger
from csmoe_model.training.module import Pretraining
from csmoe_model.training.step import StepNumbers
from csmoe_model.training.throughput import Meter, Speed

OnStep = Callable[[int, int, float, Speed], None]
"""Called after each step with (steps done, total steps, loss, speed of the step)."""


def ignore_steps(done: int, total: int, loss: float, speed: Speed) -> None:
    """Do nothing after a step: the default callback."""


class StepLog:
    """Reads the numbers of each step and writes a row with the means of some steps.

    The numbers of a step may be read after the next step has started: on a GPU, reading them
    at once would make the CPU wait.
    """

    def __init__(
        self,
        *,
        run_logger: RunLogger | None,
        new_meter: Callable[[], Meter],
        on_step: OnStep,
    ) -> None:
        """Start with an empty row.

        Args:
            run_logger: Writes the rows; None in all processes but the first.
            new_meter: Returns a meter of the training speed.
            on_step: Callback, called after each step in every process.
        """
        self._run_logger, self._on_step = run_logger, on_step
        self._unread: deque[tuple[StepNumbers, int]] = deque()
        self._sums: dict[str, float] = {}
        self._count = self._epoch = 0
        self._step_meter, self._row_meter = new_meter(), new_meter()

    def state_dict(self) -> dict[str, Any]:
        """Return the sums of the unfinished row, for the checkpoint."""
        return {"sums": dict(self._sums), "count": self._count, "epoch": self._epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue the unfinished row of a checkpoint."""
        self._sums, self._count = dict(state_dict["sums"]), state_dict["count"]
        self._epoch = state_dict["epoch"]

    def restart_meters(self) -> None:
        """Measure the speed from now on."""
        self._step_meter.restart()
        self._row_meter.restart()

    def leave_out(self, seconds: float) -> None:
        """Subtract time that was not spent on training from the speed."""
        self._row_meter.leave_out(seconds)
        self._step_meter.restart()

    def add(self, numbers: StepNumbers, *, epoch: int) -> None:
        """Add the numbers of the last step, to be read later."""
        self._unread.append((numbers, epoch))

    def read(self, run: Pretraining, *, leave: int) -> None:
        """Read the numbers of all steps but the last ``leave``; write the rows that are full.

        Raises:
            DivergedError: If a loss term or the gradient of a step is not finite.
        """
        ready = [self._unread.popleft() for _ in range(len(self._unread) - leave)]
        if not ready:
            return
        read = [(run.read_numbers(numbers), numbers.step, epoch) for numbers, epoch in ready]
        speed = self._step_meter.lap(run.config.batch_size * len(read))
        for found, step, epoch in read:
            self._epoch = epoch
            self._on_step(step, run.num_steps, found["loss"], speed)
            self._add_to_row(run, found, step=step)

    def write(self, step: int, split: str, numbers: Mapping[str, float]) -> None:
        """Write a row with the numbers after a step, in the first process."""
        if self._run_logger is not None:
            self._run_logger.write_row(epoch=self._epoch, step=step, split=split, numbers=numbers)

    def _add_to_row(self, run: Pretraining, found: Mapping[str, float], *, step: int) -> None:
        """Add the numbers of a step to the sums; write a row of means when it is full."""
        config = run.config
        for name, value in found.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._count += 1
        if step % config.log_every and step < run.num_steps:
            return
        means = {name: total / self._count for name, total in self._sums.items()}
        means["lr"] = config.lr * config.lr_factor(step - 1, run.num_steps)
        speed = self._row_meter.lap(config.batch_size * self._count)
        means |= {name: getattr(speed, name) for name in SPEED}
        self.write(step, "train", means)
        self._sums, self._count = {}, 0
