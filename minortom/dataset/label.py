"""Public function of ``minortom label``: the majority class of a map inside each patch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from minortom.api.arguments import path_of, whole_number
from minortom.dataset.patch_classes import PatchCounts, PatchSquares, count_in_patches
from minortom.downloads.open_map import MapChoice, open_map
from minortom.engine.executors import local_executor
from minortom.errors import InputError
from minortom.io.artefact import artefact
from minortom.io.geoparquet import points_table, write_table
from minortom.io.provenance import Provenance, licences_in, sha256_of
from minortom.io.table_columns import read_table
from minortom.io.table_result import TableResult
from minortom.io.up_to_date import check_parquet, now
from minortom.maps.descriptor import Descriptor
from minortom.progress import OnProgress, ignore_progress
from minortom.shards.layout import DATASET_FILE
from minortom.shards.shard_set import ShardSet

MADE_BY = "minortom label"
"""The command that makes such a file, for error messages."""
DEFAULT_LEGEND = "worldcover"
_KEYS = ("grid_cell", "patch_row", "patch_col")
_PLACE = ("epsg", "ulx_m", "uly_m")


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelResult(TableResult):
    """Labels of patches, with counts."""

    patches: int
    unlabelled: int
    """Patches without a class in the map, whose label is null."""
    mean_share: float
    """Mean share of the majority class, over the labelled patches."""
    classes: Mapping[str, int] = field(default_factory=dict)
    """Number of patches of each label."""


def label(
    shards: str | Path,
    *,
    map: str | Path,  # noqa: A002  (the name of the option)
    out: str | Path,
    legend: str | Path | None = None,
    workers: int | None = None,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
    on_fetch: OnProgress = ignore_progress,
) -> LabelResult:
    """Label each patch of shards with the majority class of a map inside it.

    Example:
        ``label("shards", map="worldcover", out="labels.parquet")``

    Args:
        shards: Folder that ``minortom.export`` made.
        map: Map of classes: a raster, a folder of tiles, or the NAME of a data set.
        out: GeoParquet file to write: ``grid_cell``, ``patch_row``, ``patch_col``, ``label``,
            ``share``, ``mapped``, and the centres of the patches.
        legend: Legend of a raster: its name, or the path of a YAML file; ``worldcover`` when None.
        workers: Number of processes; all cores when None.
        overwrite: Whether to replace an output with another provenance.
        on_progress: Called with (patches counted, patches in all).
        on_fetch: Called with (bytes done, bytes in all) while a map is downloaded.

    Returns:
        The counts that the command prints; ``table`` and ``to_geopandas()`` give the labels.

    Raises:
        InputError: If the map is unusable or has no class in any patch, or a patch lies outside
            of it.
        ShardError: If the shards are missing, damaged or of another schema version.
        RemoteError: If a download fails.
        OutputExistsError: If ``out`` has another provenance and ``overwrite`` is false.
    """
    folder, out, started = path_of("shards", shards), path_of("out", out), now()
    if workers is not None:
        workers = whole_number("workers", workers, minimum=1)
    check_parquet(out, "the labels of patches")
    choice = MapChoice(map=map if isinstance(map, str) else str(path_of("map", map)), legend=legend)
    data = ShardSet.open(folder)
    descriptor = open_map(choice, default_legend=DEFAULT_LEGEND, on_fetch=on_fetch)
    squares = _squares_of(data)
    provenance = _provenance(data, descriptor, squares)
    inputs = [folder, Path(choice.map), *choice.legend_files()]
    with artefact(out, provenance, inputs=inputs, overwrite=overwrite, started=started) as made:
        if not made.up_to_date:
            with local_executor(workers) as executor:
                counts = count_in_patches(
                    descriptor, squares, executor=executor, on_progress=on_progress
                )
            _check_inside(data, counts, choice.map)
            table = _labels(data, descriptor, counts, choice.map)
            write_table(points_table(table, provenance), made.path)
            made.run_details["summary"] = _result(out, made.status, table).as_dict()
    table = read_table(out, ["label", "share"], made_by=MADE_BY)
    return _result(out, made.status, table)


def _squares_of(data: ShardSet) -> PatchSquares:
    if not len(data):
        raise InputError(f"expected patches in {data.folder}, found none; export more tiles")
    epsg, ulx_m, uly_m = (column.to_numpy() for column in data.metadata(_PLACE).columns)
    return PatchSquares(patch_px=data.spec.patch_px, epsg=epsg, ulx_m=ulx_m, uly_m=uly_m)


def _provenance(data: ShardSet, descriptor: Descriptor, squares: PatchSquares) -> Provenance:
    return Provenance(
        command="label", options={"legend": descriptor.legend},
        inputs={
            "shards": sha256_of(data.folder / DATASET_FILE),
            "map": descriptor.hash_for(squares.cells()),
            "map legend": sha256_of(descriptor.legend_path),
        },
        licences=tuple(dict.fromkeys([*licences_in(data.provenance), descriptor.credit()])),
    )  # fmt: skip


def _check_inside(data: ShardSet, counts: PatchCounts, name: str) -> None:
    """Check that each patch has a pixel on the map."""
    beyond = np.flatnonzero(counts.outside == data.spec.patch_px**2)
    if len(beyond):
        cell = data.metadata(["grid_cell"])["grid_cell"][int(beyond[0])].as_py()
        raise InputError(
            f"expected patches on the map {name}, found {len(beyond):,} of {len(data):,} outside "
            f"of it, the first in cell {cell}; give a map of the whole area"
        )


def _labels(data: ShardSet, descriptor: Descriptor, counts: PatchCounts, name: str) -> pa.Table:
    """Return the table of the file, without geometries, in the order of the shards."""
    best, known = counts.counts.max(axis=1), counts.counts.sum(axis=1)
    if not known.any():
        raise InputError(
            f"expected classes of {descriptor.legend} in the map {name}, found none in "
            f"{len(data):,} patches; give a map of the area, or another legend"
        )
    codes = descriptor.classes.codes[counts.counts.argmax(axis=1)]  # of equal ones the lowest
    names = np.array([descriptor.names[int(code)] for code in codes], dtype=object)
    pixels = data.spec.patch_px**2
    share = _shares(best, np.maximum(known, 1))
    columns = {
        "label": pa.array(names, pa.string(), mask=known == 0),
        "share": pa.array(share, mask=known == 0),
        "mapped": pa.array(_shares(known, np.full(len(known), pixels))),
    }
    table = data.metadata([*_KEYS, "lat", "lon"])
    for place, (column, values) in enumerate(columns.items(), start=len(_KEYS)):
        table = table.add_column(place, column, values)
    return table


def _shares(part: NDArray[np.int64], of: NDArray[np.int64]) -> NDArray[np.float32]:
    return (part / of).astype(np.float32)


def _result(out: Path, status: str, table: pa.Table) -> LabelResult:
    labels = table["label"].drop_null()
    counted = pc.value_counts(labels.combine_chunks()).to_pylist()
    return LabelResult(
        out=out, status=status, patches=len(table), unlabelled=table["label"].null_count,
        mean_share=round(pc.mean(table["share"]).as_py(), 4),
        classes={entry["values"]: entry["counts"]
                 for entry in sorted(counted, key=lambda entry: -entry["counts"])},
    )  # fmt: skip
