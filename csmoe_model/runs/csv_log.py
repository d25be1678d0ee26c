"""CSV logs of a run: one row for some training steps, or for a validation."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from csmoe_model.nn.loss_terms import LOCAL_GLOBAL, TERMS
from minortom.errors import InputError
from minortom.io.atomic_write import write_text

SPEED = ("pairs_per_s", "busy", "tflops", "memory_gb")
"""Columns that depend on the machine; see `training.throughput.Speed`."""
COLUMNS = ("epoch", "step", "split", *TERMS, "lr", "grad_norm", *SPEED)
"""Columns of `log.csv`. A `train` row has the means over the steps since the previous row, and
the `lr` of its last step. A `val` row has the means of the loss terms over the split."""

Row = dict[str, str]


def pretraining_columns(*, crops: bool) -> tuple[str, ...]:
    """Return the columns of `log.csv` of a run with or without local crops."""
    place = COLUMNS.index(TERMS[-1]) + 1
    return (*COLUMNS[:place], LOCAL_GLOBAL, *COLUMNS[place:]) if crops else COLUMNS


def expert_columns(num_experts: int) -> tuple[str, ...]:
    """Return the columns of `experts.csv`, which has one row per layer with experts."""
    usage = (f"usage_{expert}" for expert in range(num_experts))
    return ("epoch", "step", "split", "layer", "dispatch_entropy", "combine_entropy", *usage)


class RunLog:
    """Appends rows to a CSV file; each row is on disk before the next step."""

    def __init__(self, path: Path, columns: Sequence[str] = COLUMNS) -> None:
        """Store the path and the columns, which include `step` and `split`."""
        self.path = path
        self.columns = tuple(columns)

    def start(self) -> None:
        """Write the header."""
        write_text(self.path, ",".join(self.columns) + "\n")

    def append(self, *rows: Mapping[str, float | str]) -> None:
        """Append rows; columns without a value stay empty."""
        lines = [",".join(_cell(row.get(name, "")) for name in self.columns) for row in rows]
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write("".join(line + "\n" for line in lines))

    def keep_until(self, step: int) -> None:
        """Delete the rows after a step, which a run wrote after its last checkpoint."""
        kept = [row for row in self.rows() if int(row["step"]) <= step]
        lines = [",".join(row[name] for name in self.columns) for row in kept]
        write_text(self.path, "\n".join([",".join(self.columns), *lines]) + "\n")

    def rows(self, split: str | None = None) -> list[Row]:
        """Read the rows of one split, or of all.

        Raises:
            InputError: If the file is missing or has other columns.
        """
        try:
            with self.path.open(newline="", encoding="utf-8") as stream:
                rows = list(csv.DictReader(stream))
        except (OSError, ValueError) as error:
            raise InputError(
                f"cannot read {self.path}: {error}; give the folder of a run"
            ) from None
        if rows and tuple(key for key in rows[0] if key) != self.columns:
            names = ", ".join(key for key in rows[0] if key)
            raise InputError(
                f"{self.path} must have the columns {', '.join(self.columns)}, found {names}; "
                "give the folder of a run"
            )
        # A killed run may have left an incomplete row at the end.
        whole = (row for row in rows if None not in row.values() and None not in row)
        return [row for row in whole if split in (None, row["split"])]


def _cell(value: float | str) -> str:
    # Nine digits distinguish any two float32 numbers.
    return f"{value:.9g}" if isinstance(value, float) else str(value)
