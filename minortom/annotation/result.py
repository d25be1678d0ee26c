"""Result of ``minortom annotate``: counts, and the annotated table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from minortom.io.table_result import TableResult


@dataclass(frozen=True, kw_only=True, eq=False)
class AnnotateResult(TableResult):
    """Annotated tiles, with counts: ``cells_in`` is the sum of removed, dropped and tiles."""

    cells_in: int
    """Cells before any rule."""
    removed: Mapping[str, int]
    """Number of cells that each rule removed."""
    tiles: int
    """Rows of the table."""
    strata: int
    """Distinct pairs of climate and land cover."""
    dropped: Mapping[str, int] | None = None
    """Number of cells without a class, by reason; None if the output was up to date."""
    unmapped: Mapping[str, int] | None = None
    """Number of tiles whose class is ``unmapped``, by column; None if the output was up to date."""
    bins: Mapping[str, Mapping[str, int]] | None = None
    """Number of tiles of each bin, by column of bins; None without bins, or if the output was up
    to date."""
    not_in_table: Mapping[str, int] | None = None
    """Number of tiles that a table of cells lacks, by table; None without a table, or if the output
    was up to date."""
    unknown: Mapping[str, int] | None = None
    """Number of tiles without a value, by column of archives and of numbers; None without such
    columns."""
    repeated: Mapping[str, int] | None = None
    """Number of rows beyond the first of a cell, by sensor; None without archives."""
    not_in_archive: int | None = None
    """Number of listed cells that the Sentinel-2 archive does not have; None unless both were
    given."""
    notes: Sequence[str] | None = None
    """Sentences about maps that were read in another way than expected; None without any."""
    citations: Sequence[str]
    """Citations of the maps."""

    def as_dict(self) -> dict[str, object]:
        """Return the counts that are known, as JSON has them."""
        values: dict[str, object] = super().as_dict()
        return {name: v for name, v in values.items() if v is not None or name == "out"}
