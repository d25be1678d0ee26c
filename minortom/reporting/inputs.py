"""What a report is made from: a selection, its annotated tiles, and how its search went."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from minortom.errors import InputError
from minortom.io.geoparquet import read_table
from minortom.io.provenance import sha256_of
from minortom.io.up_to_date import stored_provenance
from minortom.reporting.metrics import BoolArray, IntArray
from minortom.sampling.strata import Tiles, restratified
from minortom.sampling.summary import SEARCH_KEY

_ANNOTATED = (
    "grid_cell", "lat", "lon", "climate", "landcover", "climate_code", "landcover_code", "stratum",
)  # fmt: skip
_SELECTION = ("grid_cell", "role", "stratum")
_ROLES = ("selected", "reserve")

Convergence = Mapping[str, Sequence[float]]
"""Stratum -> best score after each generation, nats."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ReportInput:
    """A selection as rows of its annotated tiles."""

    annotated: pa.Table
    """All tiles; ``stratum`` is what the selection was made by."""
    tiles: Tiles
    """The same, by stratum."""
    rows: IntArray
    """[m] row of each selected tile and each reserve."""
    is_selected: BoolArray
    """[m] false for a reserve."""
    split: pa.Array | None
    """[m] where the selection has splits: text, null for a tile that is in none."""
    options: Mapping[str, object]
    """What the selection's provenance says; empty where it says nothing."""
    search: Mapping[str, object] | None
    """How far the search came, where it had a time budget: ``complete``, ``searches`` and
    ``finished``."""

    @property
    def chosen(self) -> BoolArray:
        """[n] mask of the selected tiles over the annotated ones."""
        mask = np.zeros(len(self.annotated), np.bool_)
        mask[self.rows[self.is_selected]] = True
        return mask


def read_input(selection: Path, annotated: Path) -> ReportInput:
    """Read both files and make sure that they belong together.

    Raises:
        InputError: If one cannot be used, or the selection is not of these tiles.
    """
    options = (stored_provenance(selection) or {}).get("options")
    options = options if isinstance(options, dict) else {}
    by = options.get("stratify_by") or []
    by = [name for name in by if isinstance(name, str)] if isinstance(by, list | tuple) else []
    table = _read_annotated(annotated, by)
    picked = _read_selection(selection)
    for path, some in ((annotated, table), (selection, picked)):
        twice = len(some) - pc.count_distinct(some["grid_cell"]).as_py()
        if twice:
            raise InputError(f"{path} has {twice} cells more than once; wanted one row a cell")
    return ReportInput(
        annotated=table,
        tiles=Tiles.of_table(table),
        rows=_rows_of(picked, table, annotated),
        is_selected=_equal_to(picked["role"], "selected"),
        split=_text(picked["split"]) if "split" in picked.column_names else None,
        options=options,
        search=_stored_search(selection),
    )


def _read_annotated(path: Path, by: Sequence[str]) -> pa.Table:
    """Read the annotated tiles, with the strata that these columns make."""
    needed = tuple(dict.fromkeys((*_ANNOTATED, *by)))
    table = read_table(path, needed, made_by="minortom annotate")
    empty = [name for name in _ANNOTATED if table[name].null_count]
    if empty:
        raise InputError(
            f"{path} has tiles without {', '.join(empty)}; run `minortom annotate` again"
        )
    return restratified(table, by)


def _read_selection(path: Path) -> pa.Table:
    """Read selected tiles and reserves."""
    read_table(path, _SELECTION, made_by="minortom sample")  # says what is wrong with the file
    more = [name for name in ("split",) if name in pq.read_schema(path).names]
    picked = read_table(path, (*_SELECTION, *more), made_by="minortom sample")
    roles = _text(picked["role"])
    picked = picked.filter(pc.is_in(roles, value_set=pa.array(_ROLES)))
    if not _equal_to(picked["role"], "selected").any():
        raise InputError(
            f"{path} has no row with the role selected; make it with `minortom sample`"
        )
    return picked


def _rows_of(picked: pa.Table, annotated: pa.Table, path: Path) -> IntArray:
    """Find each picked tile among the annotated ones, in the same stratum."""
    found = pc.index_in(picked["grid_cell"], value_set=annotated["grid_cell"].combine_chunks())
    if found.null_count:
        raise InputError(
            f"{found.null_count} of {len(picked)} selected tiles are not among the annotated ones "
            f"in {path}; give the file that the selection was made from"
        )
    rows: IntArray = found.to_numpy().astype(np.int64)
    there = _text(annotated["stratum"].take(pa.array(rows)))
    differ = pc.sum(pc.not_equal(there, _text(picked["stratum"]))).as_py()
    if differ:
        raise InputError(
            f"{differ} of {len(picked)} selected tiles have another stratum in {path}; "
            "give the file that the selection was made from"
        )
    return rows


def _stored_search(selection: Path) -> Mapping[str, object] | None:
    text = (pq.read_schema(selection).metadata or {}).get(SEARCH_KEY.encode())
    try:
        found = json.loads(text or "null")
        return {name: int(found[name]) for name in ("complete", "searches", "finished")}
    except (ValueError, KeyError, TypeError):
        return None


def _text(column: pa.ChunkedArray) -> pa.Array:
    whole = column.cast(pa.string()).combine_chunks()
    return whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole


def _equal_to(column: pa.ChunkedArray, value: str) -> NDArray[np.bool_]:
    return np.asarray(pc.equal(_text(column), value).to_numpy(zero_copy_only=False), np.bool_)


def read_convergence(selection: Path) -> Convergence | None:
    """Read how the search of a selection went, from the record of its run beside it.

    None where there is no record, the record is of another file than this, or nothing was
    searched: the chart of it is then left out.
    """
    try:
        text = selection.with_name(f"{selection.name}.run.json").read_text(encoding="utf-8")
        record = json.loads(text)
        found, of_file = record["convergence"], record["sha256"]
        by_stratum = {str(name): [float(v) for v in values] for name, values in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    by_stratum = {
        name: values for name, values in by_stratum.items() if values and np.isfinite(values).all()
    }
    if not by_stratum or of_file != sha256_of(selection):
        return None
    return by_stratum


def hash_of_convergence(convergence: Convergence) -> str:
    """Hash the scores alone: the record's times and hosts are not what the report shows."""
    text = json.dumps(convergence, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
