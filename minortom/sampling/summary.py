"""The result of ``sample``: numbers of tiles and strata, and the table of the selection."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from minortom.grid.spatial_split import SPLITS
from minortom.io.parse import parse_json
from minortom.io.table_result import TableResult
from minortom.sampling.options import SampleOptions
from minortom.sampling.strata import Strata

SEARCH_KEY = "minortom_search"
"""Key of the search's progress in the schema metadata; only selections with a time budget have
it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SampleResult(TableResult):
    """The selection of ``sample`` as a table, and its numbers."""

    method: str
    """Method of selection."""
    seed: int
    """Seed of the random numbers."""
    tiles: int
    """Selected tiles, without reserves."""
    strata: int
    """Strata with a selected tile."""
    underfull: int
    """Strata with fewer selected tiles than requested although they have more."""
    taken_whole: int
    """Strata with fewer tiles than requested, all of which are selected."""
    short: int
    """Tiles that could not be selected although their stratum has enough tiles."""
    kept: int
    """Selected tiles from the list of kept cells."""
    reserves: int
    """Reserve tiles."""
    split: Mapping[str, int] | None = None
    """Split (``train``, ``val``, ``test``) -> selected tiles; None without splits."""
    search: Mapping[str, Any] | None = None
    """Progress of a search with a time budget (``complete``, ``searches``, ``finished``,
    ``generations``); None without a budget."""

    def as_dict(self) -> dict[str, Any]:
        """Return the values that ``--json`` prints, without ``split`` or ``search`` if None."""
        values: dict[str, Any] = super().as_dict()
        absent = [name for name in ("split", "search") if values[name] is None]
        return {name: value for name, value in values.items() if name not in absent}


def summarise(
    table: pa.Table, strata: Strata, options: SampleOptions, *, out: Path | None, status: str
) -> SampleResult:
    """Count the tiles of a selection.

    Args:
        table: The selection, as in its file.
        strata: The strata of all annotated tiles.
        options: Options of the selection.
        out: The file; None if nothing was written.
        status: Status of the file.
    """
    selected = table.filter(pc.equal(table["role"].cast(pa.string()), "selected"))
    of_stratum = _counts(selected["stratum"])
    held = np.array([of_stratum.get(name, 0) for name in strata.names])
    requested = options.requested_sizes(strata)
    missing = strata.missing(held, requested)
    of_split = _counts(selected["split"]) if options.split else {}
    return SampleResult(
        out=out,
        status=status,
        made=table,
        method=options.method,
        seed=options.seed,
        tiles=len(selected),
        strata=len(of_stratum),
        underfull=int(np.count_nonzero(missing)),
        taken_whole=int(np.count_nonzero(strata.taken_whole(held, requested))),
        short=int(missing.sum()),
        kept=int(table["kept"].to_numpy().sum()),
        reserves=len(table) - len(selected),
        split={name: of_split.get(name, 0) for name in SPLITS} if options.split else None,
        search=_stored_search(table.schema) or None,
    )


def is_search_complete(selection: Path) -> bool:
    """Return whether the search of a selection ended before its time budget."""
    return bool(_stored_search(pq.read_schema(selection)).get("complete", True))


def _stored_search(schema: pa.Schema) -> dict[str, object]:
    """Return the progress of the search; empty without a time budget."""
    found = (schema.metadata or {}).get(SEARCH_KEY.encode())
    search: dict[str, object] = parse_json(found) if found else {}
    return search


def _counts(column: pa.ChunkedArray) -> dict[str, int]:
    found = Strata.of_column(column)
    return dict(zip(found.names, found.sizes.tolist(), strict=True))
