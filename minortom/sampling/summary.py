"""What a selection's file tells of itself, beside the annotated file that it was made from."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from minortom.grid.spatial_split import SPLITS
from minortom.io.geoparquet import read_table
from minortom.io.up_to_date import status
from minortom.sampling.options import SampleOptions
from minortom.sampling.selection_table import MADE_BY
from minortom.sampling.strata import Strata, restratified

SEARCH_KEY = "minortom_search"
"""Key in the file's metadata of how far the search came, where a time budget was given."""


def summarised(
    out: Path, annotated: Path, options: SampleOptions, *, there: bool
) -> dict[str, object]:
    """Count what a selection holds.

    Args:
        out: The selection's file.
        annotated: The file that it was made from.
        options: How it was made.
        there: Whether it was there already.

    Returns:
        Numbers of selected tiles, strata, and so on. ``underfull`` counts the strata with fewer
        tiles than wanted, and ``short`` the tiles that they have less than they could.
    """
    columns = options.stratify_by or ("stratum",)
    everything = read_table(annotated, columns, made_by=MADE_BY)
    strata = Strata.of_column(restratified(everything, options.stratify_by)["stratum"])
    names = ["stratum", "kept", "role", *(["split"] if options.split else [])]
    table = read_table(out, names, made_by="minortom sample")
    selected = table.filter(pc.equal(table["role"].cast(pa.string()), "selected"))
    of_name = _counts(selected["stratum"])
    held = np.array([of_name.get(name, 0) for name in strata.names])
    wishes = options.wishes(strata)
    summary: dict[str, object] = {
        "out": str(out),
        "status": status(there),
        "method": options.method,
        "seed": options.seed,
        "tiles": len(selected),
        "strata": len(of_name),
        "underfull": int((held < wishes).sum()),
        "short": int(np.maximum(np.minimum(wishes, strata.sizes) - held, 0).sum()),
        "kept": int(table["kept"].to_numpy().sum()),
        "reserves": len(table) - len(selected),
    }
    if options.split:
        of_split = _counts(selected["split"])
        summary["split"] = {name: of_split.get(name, 0) for name in SPLITS}
    if search := _stored_search(out):
        summary["search"] = search
    return summary


def was_cut_short(selection: Path) -> bool:
    """Say whether a time budget ended the search for a selection before it was complete."""
    return not _stored_search(selection).get("complete", True)


def _stored_search(selection: Path) -> dict[str, object]:
    """Read how far the search came; empty where it had no time budget."""
    found = (pq.read_schema(selection).metadata or {}).get(SEARCH_KEY.encode())
    search: dict[str, object] = json.loads(found) if found else {}
    return search


def _counts(column: pa.ChunkedArray) -> dict[str, int]:
    found = Strata.of_column(column)
    return dict(zip(found.names, found.sizes.tolist(), strict=True))
