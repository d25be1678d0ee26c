"""``log.csv`` of a run: one row for a few training steps or a validation, written as it goes."""

import csv
from collections.abc import Mapping
from pathlib import Path

from minortom.errors import InputError
from minortom.outputs import write_text

TERMS = (
    "loss", "umr", "cmr", "mi", "rep", "bal",
    "rec_s2_s2", "rec_s2_s1", "rec_s1_s1", "rec_s1_s2",
)  # fmt: skip
"""Terms of the objective, as `PretrainOutput` names them."""
COLUMNS = ("epoch", "step", "split", *TERMS, "lr", "grad_norm", "pairs_per_s")
"""A `train` row is the mean over the steps since the one before, `lr` that of its last step;
a `val` row the mean over the split after that step, without `lr` and `grad_norm`."""

Row = dict[str, str]


class RunLog:
    """Appends rows to a CSV file; each is on disk before the next step."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def start(self) -> None:
        """Write the header."""
        write_text(self.path, ",".join(COLUMNS) + "\n")

    def append(self, values: Mapping[str, float | str]) -> None:
        """Write a row; columns without a value stay empty."""
        cells = [_cell(values.get(name, "")) for name in COLUMNS]
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(",".join(cells) + "\n")

    def keep_until(self, step: int) -> None:
        """Drop the rows after a step: those that a run wrote after its last checkpoint."""
        kept = [row for row in self.rows() if int(row["step"]) <= step]
        lines = [",".join(row[name] for name in COLUMNS) for row in kept]
        write_text(self.path, "\n".join([",".join(COLUMNS), *lines]) + "\n")

    def rows(self, split: str | None = None) -> list[Row]:
        """Read the rows, of one split or all.

        Raises:
            InputError: If the file is missing or no such log.
        """
        try:
            with self.path.open(newline="", encoding="utf-8") as stream:
                # A run that was killed may have left half a row at the end.
                rows = [row for row in csv.DictReader(stream) if None not in row.values()]
        except (OSError, ValueError) as error:
            raise InputError(f"cannot read {self.path}: {error}; give a run's folder") from None
        if rows and tuple(rows[0]) != COLUMNS:
            raise InputError(
                f"{self.path} has the columns {', '.join(rows[0])}; wanted a run's log"
            )
        return [row for row in rows if split in (None, row["split"])]


def _cell(value: float | str) -> str:
    # Nine digits tell any two float32 numbers apart.
    return f"{value:.9g}" if isinstance(value, float) else str(value)
