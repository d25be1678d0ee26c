"""The logs of a run: a row for a few training steps or a validation, written as it goes."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from minortom.errors import InputError
from minortom.io.atomic_write import write_text

TERMS = (
    "loss", "umr", "cmr", "mi", "rep", "bal",
    "rec_s2_s2", "rec_s2_s1", "rec_s1_s1", "rec_s1_s2",
)  # fmt: skip
"""Terms of the objective, as `PretrainOutput` names them."""
SPEED = ("pairs_per_s", "busy", "tflops", "memory_gb")
"""What depends on the machine: see `meter.Speed`."""
COLUMNS = ("epoch", "step", "split", *TERMS, "lr", "grad_norm", *SPEED)
"""Of `log.csv`. A `train` row is the mean over the steps since the one before, `lr` that of
its last step; a `val` row the mean over the split after that step, the terms alone."""

Row = dict[str, str]


def expert_columns(num_experts: int) -> tuple[str, ...]:
    """Name the columns of `experts.csv`, which has a row for each layer with experts."""
    usage = (f"usage_{expert}" for expert in range(num_experts))
    return ("epoch", "step", "split", "layer", "dispatch_entropy", "combine_entropy", *usage)


class RunLog:
    """Appends rows to a CSV file; each is on disk before the next step."""

    def __init__(self, path: Path, columns: Sequence[str] = COLUMNS) -> None:
        """Name the file, and its columns, with `step` and `split` among them."""
        self.path = path
        self.columns = tuple(columns)

    def start(self) -> None:
        """Write the header."""
        write_text(self.path, ",".join(self.columns) + "\n")

    def append(self, *rows: Mapping[str, float | str]) -> None:
        """Write rows; columns without a value stay empty."""
        lines = [",".join(_cell(row.get(name, "")) for name in self.columns) for row in rows]
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write("".join(line + "\n" for line in lines))

    def keep_until(self, step: int) -> None:
        """Drop the rows after a step: those that a run wrote after its last checkpoint."""
        kept = [row for row in self.rows() if int(row["step"]) <= step]
        lines = [",".join(row[name] for name in self.columns) for row in kept]
        write_text(self.path, "\n".join([",".join(self.columns), *lines]) + "\n")

    def rows(self, split: str | None = None) -> list[Row]:
        """Read the rows, of one split or all.

        Raises:
            InputError: If the file is missing or no such log.
        """
        try:
            with self.path.open(newline="", encoding="utf-8") as stream:
                rows = list(csv.DictReader(stream))
        except (OSError, ValueError) as error:
            raise InputError(f"cannot read {self.path}: {error}; give a run's folder") from None
        if rows and tuple(key for key in rows[0] if key) != self.columns:
            names = ", ".join(key for key in rows[0] if key)
            raise InputError(f"{self.path} has the columns {names}; wanted a run's log")
        # A run that was killed may have left half a row at the end.
        whole = (row for row in rows if None not in row.values() and None not in row)
        return [row for row in whole if split in (None, row["split"])]


def _cell(value: float | str) -> str:
    # Nine digits tell any two float32 numbers apart.
    return f"{value:.9g}" if isinstance(value, float) else str(value)
