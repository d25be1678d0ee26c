"""The inputs of a report: a selection, its annotated tiles, and the convergence of its search."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from minortom.annotation.class_columns import COLOURS_KEY
from minortom.api.arguments import path_of
from minortom.errors import InputError
from minortom.grid.cell_places import check_places_of
from minortom.io.memory_tables import in_memory, no_table, table_provenance
from minortom.io.parse import parse_json
from minortom.io.provenance import sha256_of
from minortom.io.table_columns import checked, read_table
from minortom.io.up_to_date import stored_provenance
from minortom.maps.legends import is_colour
from minortom.reporting.measures import BoolArray, IntArray
from minortom.sampling.quotas import stored_requested_sizes
from minortom.sampling.spread_parts import stored_spread
from minortom.sampling.spread_space import SpreadSpace
from minortom.sampling.strata import COLUMNS, Tiles, restratified
from minortom.sampling.summary import SEARCH_KEY

REPORT_COLUMNS = (
    "grid_cell", "lat", "lon", "climate", "landcover", "climate_code", "landcover_code", "stratum",
)  # fmt: skip
"""The columns of the annotated tiles that a report shows; its measures need ``COLUMNS`` only."""
_SELECTION = ("grid_cell", "role", "stratum")
_ROLES = ("selected", "reserve")

Convergence = Mapping[str, Sequence[float]]
"""Stratum -> best score after each generation, in nats (km for an objective in km)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ReportInput:
    """A selection as rows of its annotated tiles."""

    annotated: pa.Table
    """All tiles; ``stratum`` has the strata of the selection."""
    tiles: Tiles
    """The same tiles and their strata."""
    rows: IntArray
    """[m] annotated row of each selected tile and each reserve."""
    is_selected: BoolArray
    """[m] true for a selected tile, false for a reserve."""
    is_kept: BoolArray
    """[m] true for a tile that had to be selected."""
    split: pa.Array | None
    """[m] name of the split, null for a tile without a split; None if the selection is not
    split."""
    options: Mapping[str, object]
    """Options in the selection's provenance; empty without a provenance."""
    space: SpreadSpace | None
    """Space of the selection's ``--spread-over``, if it was read; None for the ground alone."""
    search: Mapping[str, object] | None
    """Progress of a search with a time budget: ``complete``, ``searches`` and ``finished``."""
    colours: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Column -> class -> colour as ``#rrggbb``, if the legends have colours."""

    @property
    def chosen(self) -> BoolArray:
        """Return the mask [n] of the selected tiles over the annotated tiles."""
        return self._mask(self.is_selected)

    @property
    def kept(self) -> BoolArray:
        """Return the mask [n] of the tiles that had to be selected, over the annotated tiles."""
        return self._mask(self.is_kept)

    @property
    def wanted(self) -> IntArray:
        """Return the tiles requested of each stratum [S].

        Without numbers in the provenance, these are the maximum number of tiles that the
        selection has in a stratum.
        """
        stored = stored_requested_sizes(self.options, self.tiles.strata)
        if stored is not None:
            return stored
        held = np.bincount(self.tiles.strata.codes[self.chosen], minlength=len(self.tiles.strata))
        return np.full(len(held), held.max())

    def _mask(self, some: BoolArray) -> BoolArray:
        mask = np.zeros(len(self.annotated), np.bool_)
        mask[self.rows[some]] = True
        return mask


@dataclass(frozen=True, kw_only=True, eq=False)
class _Source:
    """A table that is a file or in memory."""

    found: Path | pa.Table
    name: str
    """Name in error messages."""
    made_by: str
    """Command that makes such a table."""

    @classmethod
    def of(cls, given: object, role: str, made_by: str) -> "_Source":
        if isinstance(given, str | Path):
            return cls(found=path_of(role, given), name=str(given), made_by=made_by)
        table = in_memory(given)
        if table is None:
            raise no_table(role, given, made_by=made_by)
        return cls(found=table, name=f"the table {role}", made_by=made_by)

    def columns(self, names: Sequence[str]) -> pa.Table:
        if isinstance(self.found, Path):
            return read_table(self.found, names, made_by=self.made_by)
        return checked(self.found, names, name=self.name, made_by=self.made_by)

    @property
    def schema(self) -> pa.Schema:
        return pq.read_schema(self.found) if isinstance(self.found, Path) else self.found.schema

    @property
    def provenance(self) -> Mapping[str, object]:
        if isinstance(self.found, Path):
            return stored_provenance(self.found) or {}
        return table_provenance(self.found) or {}


def read_input(
    selection: object,
    annotated: object,
    *,
    columns: Sequence[str] = COLUMNS,
    with_space: bool = False,
) -> ReportInput:
    """Read a selection and its annotated tiles, and check that they belong together.

    Args:
        selection: Output of ``sample``: a path, a ``pyarrow.Table`` or a ``GeoDataFrame``.
        annotated: The tiles that the selection was made from, in one of these forms.
        columns: Columns of the annotated tiles to read.
        with_space: Whether to read the columns of the selection's ``--spread-over`` too.

    Raises:
        InputError: If an input cannot be used, or the selection has other tiles or strata.
    """
    picks = _Source.of(selection, "selection", "minortom sample")
    source = _Source.of(annotated, "annotated", "minortom annotate")
    options = picks.provenance.get("options")
    options = options if isinstance(options, dict) else {}
    by = options.get("stratify_by") or []
    by = [name for name in by if isinstance(name, str)] if isinstance(by, list | tuple) else []
    spread = stored_spread(options) if with_space else None
    table = _annotated_table(source, columns, by, spread.columns if spread else ())
    picked = _selection_table(picks)
    for name, some in ((source.name, table), (picks.name, picked)):
        repeated = len(some) - pc.count_distinct(some["grid_cell"]).as_py()
        if repeated:
            raise InputError(
                f"{name} must have one row a cell, found {repeated} cells more than once; remove "
                "the repeated rows"
            )
    tiles = Tiles.of_table(table)
    return ReportInput(
        annotated=table,
        tiles=tiles,
        rows=_rows_of(picked, table, source.name),
        is_selected=_equal_to(picked["role"], "selected"),
        is_kept=_equal_to(picked["kept"], "true") & _equal_to(picked["role"], "selected"),
        split=_text(picked["split"]) if "split" in picked.column_names else None,
        options=options,
        space=SpreadSpace.of_table(table, tiles, spread) if spread else None,
        search=_stored_search(picks.schema),
        colours=_stored_colours(source.schema),
    )


def _annotated_table(
    source: _Source, columns: Sequence[str], by: Sequence[str], more: Sequence[str]
) -> pa.Table:
    """Return the annotated tiles with the strata that the columns ``by`` form."""
    table = source.columns(tuple(dict.fromkeys((*columns, *by, *more))))
    empty = [name for name in columns if table[name].null_count]
    if empty:
        raise InputError(
            f"{source.name} must have a value in every row, found tiles without "
            f"{', '.join(empty)}; run `minortom annotate` again"
        )
    check_places_of(table, source=source.name, made_by=source.made_by)
    return restratified(table, by)


def _selection_table(source: _Source) -> pa.Table:
    """Return the selected tiles and the reserves."""
    source.columns(_SELECTION)  # checks the file before its schema is read
    more = [name for name in ("kept", "split") if name in source.schema.names]
    picked = source.columns((*_SELECTION, *more))
    if "kept" not in more:
        picked = picked.append_column("kept", pa.array(np.zeros(len(picked), np.bool_)))
    roles = _text(picked["role"])
    picked = picked.filter(pc.is_in(roles, value_set=pa.array(_ROLES)))
    if not _equal_to(picked["role"], "selected").any():
        raise InputError(
            f"{source.name} must have a row with the role selected, found none; make it with "
            "`minortom sample`"
        )
    return picked


def _rows_of(picked: pa.Table, annotated: pa.Table, name: str) -> IntArray:
    """Return the annotated row of each picked tile, and check that its stratum is the same."""
    found = pc.index_in(picked["grid_cell"], value_set=annotated["grid_cell"].combine_chunks())
    if found.null_count:
        raise InputError(
            f"all selected tiles must be in {name}, found {found.null_count} of {len(picked)} "
            "that are not; give the file that the selection was made from"
        )
    rows: IntArray = found.to_numpy().astype(np.int64)
    there = _text(annotated["stratum"].take(pa.array(rows)))
    differ = pc.sum(pc.not_equal(there, _text(picked["stratum"]))).as_py()
    if differ:
        raise InputError(
            f"all selected tiles must have the stratum that they have in {name}, found {differ} of "
            f"{len(picked)} with another stratum; give the file that the selection was made from"
        )
    return rows


def _stored_search(schema: pa.Schema) -> Mapping[str, object] | None:
    text = (schema.metadata or {}).get(SEARCH_KEY.encode())
    try:
        found = parse_json(text or "null")
        return {name: int(found[name]) for name in ("complete", "searches", "finished")}
    except (ValueError, KeyError, TypeError):
        return None


def _stored_colours(schema: pa.Schema) -> Mapping[str, Mapping[str, str]]:
    """Return the colours in the metadata of annotated tiles; values that are none are left out."""
    try:
        found = json.loads((schema.metadata or {}).get(COLOURS_KEY.encode()) or "{}")
        by_column = {str(column): dict(colours) for column, colours in found.items()}
    except (ValueError, TypeError, AttributeError):
        return {}
    return {
        column: {str(name): colour for name, colour in colours.items() if is_colour(colour)}
        for column, colours in by_column.items()
    }


def _text(column: pa.ChunkedArray) -> pa.Array:
    whole = column.cast(pa.string()).combine_chunks()
    return whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole


def _equal_to(column: pa.ChunkedArray, value: str) -> NDArray[np.bool_]:
    return np.asarray(pc.equal(_text(column), value).to_numpy(zero_copy_only=False), np.bool_)


def read_convergence(selection: Path) -> Convergence | None:
    """Read the convergence of a selection's search from the run record beside the file.

    Returns None, and the report has no chart of it, if the record is missing, belongs to another
    file, or the selection was made without a search.
    """
    try:
        text = selection.with_name(f"{selection.name}.run.json").read_text(encoding="utf-8")
        record = parse_json(text)
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
    """Return the SHA-256 of the scores; the record's times and hosts are not in the report."""
    text = json.dumps(convergence, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
