"""All strata -> the selection: from an annotated file to a file of chosen tiles."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from minortom.baselines import farthest_point_selection, random_selection, wanted_sizes
from minortom.cells import read_cells
from minortom.coupling import CouplingOptions, spread_selection
from minortom.engine import local_executor
from minortom.errors import InputError
from minortom.geoparquet import GEOMETRY, read_table, write_points
from minortom.grts import grts_selection
from minortom.outputs import is_up_to_date, now, status, stored_licences, write_run_record
from minortom.progress import OnProgress, ignore_progress
from minortom.provenance import Provenance, sha256_of
from minortom.search import GeneticOptions
from minortom.strata import COLUMNS, Tiles, mask_of

Method = Literal["genetic", "random", "farthest-point", "grts"]

BASELINES = {
    "random": random_selection,
    "farthest-point": farthest_point_selection,
    "grts": grts_selection,
}
"""Methods without a search: (tiles, sizes, seed, kept) -> chosen rows."""

_MADE_BY = "minortom annotate"

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class SampleOptions:
    """How tiles are chosen.

    Raises:
        InputError: If a value is out of its range.
    """

    per_stratum: int = 100
    """N_s of the paper: tiles to choose in each stratum; all of them where it has no more."""
    method: Method = "genetic"
    seed: int = 0
    genetic: GeneticOptions = field(default_factory=GeneticOptions)
    """For the method ``genetic``."""
    coupling: CouplingOptions = field(default_factory=CouplingOptions)
    """For the method ``genetic``."""

    def __post_init__(self) -> None:
        if self.per_stratum < 1:
            raise InputError(f"--per-stratum must be at least 1, not {self.per_stratum}")
        if self.method not in get_args(Method):
            raise InputError(f"--method {self.method}: wanted {', '.join(get_args(Method))}")
        coupled = self.coupling.spread > 0 or self.coupling.density > 0
        if coupled and self.genetic.objective != "entropy":
            raise InputError(
                "--spread and --density add entropies and go with --objective entropy alone; "
                f"set both to 0 for {self.genetic.objective}"
            )

    def that_matter(self) -> dict[str, object]:
        """Give the options that change the result, for the provenance."""
        used: dict[str, object] = {"per_stratum": self.per_stratum, "method": self.method}
        if self.method == "genetic":
            used |= asdict(self.genetic) | asdict(self.coupling)
        return used


@dataclass(frozen=True, kw_only=True, eq=False)
class Selection:
    """The tiles that were chosen."""

    rows: IntArray
    """Rows of the annotated table, ascending."""
    convergence: Mapping[str, list[float]]
    """By stratum, the best score after each generation (nats); empty without a search."""


def sample_file(
    annotated: Path,
    out: Path,
    *,
    options: SampleOptions,
    keep: Path | None = None,
    workers: int | None = None,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> dict[str, object]:
    """Choose tiles of an annotated file and write them as GeoParquet, with ``role``.

    Args:
        annotated: File of ``minortom annotate``.
        out: File to write: the chosen rows, in the order of ``annotated``.
        options: How to choose.
        keep: List of cells that must be in: a text file, or a table with ``grid_cell``.
        workers: Processes; all cores when None. The result does not depend on it.
        overwrite: Whether to replace a file made from something else.
        on_progress: Told how many strata are done.

    Returns:
        A summary.

    Raises:
        InputError: If an input cannot be used.
        OutputExistsError: If ``out`` exists and was made from something else.
    """
    started = now()
    provenance = _provenance(annotated, keep, options)
    there = is_up_to_date(
        out, provenance, inputs=[annotated, *([keep] if keep else [])], overwrite=overwrite
    )
    if not there:
        table = read_table(annotated, None, made_by=_MADE_BY)
        _check_columns(table, annotated)
        kept = kept_mask(table, keep) if keep else np.zeros(len(table), np.bool_)
        selection = select(table, options, kept=kept, workers=workers, on_progress=on_progress)
        write_points(selected_table(table, selection.rows, kept), out, provenance)
        write_run_record(out, started, convergence=selection.convergence)
    return _summary(out, options, there=there)


def select(
    annotated: pa.Table,
    options: SampleOptions,
    *,
    kept: BoolArray | None = None,
    workers: int | None = None,
    on_progress: OnProgress = ignore_progress,
) -> Selection:
    """Choose tiles of an annotated table: ``grid_cell``, ``lat``, ``lon``, ``stratum``.

    Args:
        annotated: One row a tile.
        options: How to choose.
        kept: [n] tiles that must be in; they count towards each stratum's number.
        workers: Processes; all cores when None.
        on_progress: Told how many strata are done.

    Raises:
        InputError: If more tiles of a stratum are kept than it may have.
    """
    tiles = Tiles.of_table(annotated)
    kept = np.zeros(len(tiles), np.bool_) if kept is None else kept
    sizes = wanted_sizes(tiles.strata, options.per_stratum)
    _check_kept(tiles, sizes, kept)
    if options.method in BASELINES:
        rows = BASELINES[options.method](tiles, sizes, seed=options.seed, kept=kept)
        return Selection(rows=rows, convergence={})
    with local_executor(workers) as executor:
        rows, convergence = spread_selection(
            tiles, sizes, genetic=options.genetic, coupling=options.coupling,
            seed=options.seed, executor=executor, kept=kept, on_progress=on_progress,
        )  # fmt: skip
    return Selection(rows=rows, convergence=convergence)


def kept_mask(annotated: pa.Table, keep: Path) -> BoolArray:
    """Mark the tiles that a list of cells names.

    Raises:
        InputError: If the list cannot be read, or names a cell that is not annotated.
    """
    # A file called `grid` is meant, never the word that stands for the whole grid.
    names = pa.array(read_cells([str(keep) if keep.parts != ("grid",) else "./grid"]).names())
    present = set(annotated["grid_cell"].to_pylist())
    missing = [name for name in names.to_pylist() if name not in present]
    if missing:
        raise InputError(
            f"{keep} names {len(missing)} cells that are not in the annotated file "
            f"({', '.join(missing[:3])}{', …' if len(missing) > 3 else ''}): not annotated, or "
            "without a class there; take them out of the list or annotate them"
        )
    return mask_of(annotated, names)


def selected_table(annotated: pa.Table, rows: IntArray, kept: BoolArray) -> pa.Table:
    """Take the chosen rows and add ``role``, ``kept`` and ``reserve_rank``."""
    table = annotated.drop_columns([GEOMETRY]) if GEOMETRY in annotated.column_names else annotated
    table = table.take(pa.array(rows))
    roles = pa.array(["selected"] * len(table)).dictionary_encode()
    table = table.append_column("role", roles)
    table = table.append_column("kept", pa.array(kept[rows]))
    return table.append_column("reserve_rank", pa.nulls(len(table), pa.int32()))


def _check_columns(table: pa.Table, path: Path) -> None:
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        raise InputError(
            f"{path} lacks the column {', '.join(missing)}; it has "
            f"{', '.join(table.column_names)}; wanted the output of `{_MADE_BY}`"
        )
    taken = [name for name in ("role", "kept", "reserve_rank") if name in table.column_names]
    if taken:
        raise InputError(
            f"{path} has the column {', '.join(taken)} already: it is a selection; wanted the "
            f"output of `{_MADE_BY}`"
        )
    counts = table["grid_cell"].combine_chunks().value_counts()
    twice = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
    if len(twice):
        raise InputError(
            f"{path} has {len(twice):,} grid cells more than once, first {twice[0]}; "
            "wanted each once"
        )


def _check_kept(tiles: Tiles, sizes: IntArray, kept: BoolArray) -> None:
    num_kept = np.bincount(tiles.strata.codes[kept], minlength=len(sizes))
    for s in np.flatnonzero(num_kept > sizes):
        raise InputError(
            f"{num_kept[s]} tiles of the stratum {tiles.strata.names[s]} are to be kept, but only "
            f"{sizes[s]} may be chosen; raise --per-stratum or keep fewer"
        )


def _provenance(annotated: Path, keep: Path | None, options: SampleOptions) -> Provenance:
    return Provenance(
        command="sample",
        options=options.that_matter(),
        inputs={"annotated": sha256_of(annotated)} | ({"keep": sha256_of(keep)} if keep else {}),
        seed=options.seed,
        licences=stored_licences(annotated),
    )


def _summary(out: Path, options: SampleOptions, *, there: bool) -> dict[str, object]:
    table = read_table(out, ["stratum", "kept"], made_by="minortom sample")
    counts = table["stratum"].cast(pa.string()).combine_chunks().value_counts().field("counts")
    return {
        "out": str(out),
        "status": status(there),
        "method": options.method,
        "seed": options.seed,
        "tiles": len(table),
        "strata": len(counts),
        "underfull": int((counts.to_numpy() < options.per_stratum).sum()),
        "kept": int(table["kept"].to_numpy().sum()),
    }
