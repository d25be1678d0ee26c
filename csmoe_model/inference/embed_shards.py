"""Embeddings of shards: the [CLS] vectors of each patch, from whole images, without augmentation.

Axes, as name suffixes:
    B  patches in a batch    D  token width
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from csmoe_model.choices import BOTH
from csmoe_model.data.loader import Loader, reader_threads
from csmoe_model.data.sampler import OrderedBatches
from csmoe_model.extractors.extractor import Extractor
from csmoe_model.extractors.load import load_extractor
from csmoe_model.inference.embeddings import read_vectors
from csmoe_model.inference.fit_on_shards import fitted_on, keep_filters
from csmoe_model.inference.neighbour_sheet import NeighbourPicture, Queries, draw_neighbours
from minortom.api.results import Result
from minortom.io.artefact import artefact
from minortom.io.geoparquet import box_of, points_writer
from minortom.io.provenance import Provenance, licences_in, sha256_of
from minortom.io.up_to_date import check_parquet, now
from minortom.progress import OnProgress, ignore_progress
from minortom.shards.layout import DATASET_FILE
from minortom.shards.shard_set import ShardSet

_BATCH_SIZE = 64
_PATCHES_A_GROUP = 8192
"""Patches in a row group: 75 MB where each has three vectors of 768."""
_OF_PATCH = ("grid_cell", "patch_row", "patch_col")
_OF_TILE = ("split", "climate", "landcover")
_PLACE = ("lat", "lon")
_OWN = ("sensor", "vector")

Vectors = dict[str, NDArray[np.float32]]
"""[sample, width] by `s2`, `s1` and `both`; see `names_of`."""
RowsOf = Callable[[pa.Table, Vectors], pa.Table]
"""Makes a table from the metadata of some patches and their vectors."""


@dataclass(frozen=True, kw_only=True)
class EmbedShardsResult(Result):
    """Result of `csmoe embed` for shards."""

    status: str
    """`written`, or `up to date`."""
    out: Path
    """GeoParquet file with the vectors."""
    patches: int
    width: int
    """Length of a vector."""
    neighbours: Path | None
    """PNG of nearest neighbours; None where none was asked for."""


def embed_shards(
    checkpoint: str | Path,
    shards: Path,
    out: Path,
    *,
    neighbours: NeighbourPicture | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    on_progress: OnProgress = ignore_progress,
) -> EmbedShardsResult:
    """Write a GeoParquet file with three vectors for each patch: `s2`, `s1` and `both`.

    Patches stand in the order of the shards, the three vectors of a patch in successive rows.
    `both` is the mean of the other two, which come from the same LayerNorm. A model of one sensor
    gives that sensor's vectors alone. An extractor without a common space of the sensors gives one
    vector, of all its sensors. Filters that are fitted for it are written beside `out`.

    Args:
        checkpoint: As `load_extractor` takes it.
        shards: Folder of shards; the patches of all splits are encoded.
        out: GeoParquet file to write.
        neighbours: Picture to write, with some patches and their nearest neighbours. Like `out` it
            is replaced only where `overwrite` allows it.
        overwrite: Whether to replace an output that was made otherwise.
        workers: Threads that read; one for each core, at most 8, when None.
        on_progress: Called with (patches done, patches in all).

    Raises:
        InputError: If the checkpoint does not exist or cannot be read, or has to be fitted and the
            shards have no split `train`; or if all patches are left out among the neighbours.
        ShardError: If the shards are missing, damaged or of another version.
        OutputExistsError: If `out` or the picture was made from something else.
    """
    started = now()
    data = ShardSet.open(shards)
    check_parquet(out, "the vectors of patches")
    extractor = fitted_on(load_extractor(checkpoint), data)
    queries = None if neighbours is None else Queries.of(data, neighbours.exclusion)
    provenance = shards_provenance("embed", extractor, data)
    inputs = [*extractor.folders, shards]
    with artefact(
        out, provenance, inputs=inputs, overwrite=overwrite, started=started,
        is_whole=lambda: _num_rows(out) == len(data) * len(names_of(extractor)),
    ) as made:  # fmt: skip
        is_drawn = neighbours is None or neighbours.is_drawn(
            provenance, inputs=inputs, overwrite=overwrite
        )
        keep_filters(extractor, data, out, overwrite=overwrite)
        if not made.up_to_date:
            write_patches(
                extractor, data, made.path, provenance, rows_of=_rows, workers=workers,
                on_progress=on_progress,
            )  # fmt: skip
    if neighbours is not None and queries is not None and not is_drawn:
        vectors = read_vectors(out, names_of(extractor)[-1], data)
        draw_neighbours(data, vectors.vector_nD, queries, neighbours, provenance)
    return EmbedShardsResult(
        status=made.status, out=out, patches=len(data), width=extractor.width,
        neighbours=None if neighbours is None else neighbours.out,
    )  # fmt: skip


def encode_shards(
    extractor: Extractor,
    data: ShardSet,
    *,
    samples: NDArray[np.int64] | None = None,
    workers: int | None = None,
    on_progress: OnProgress = ignore_progress,
) -> Iterator[tuple[NDArray[np.int64], Vectors]]:
    """Encode samples of shards in their order: all of them, or those with some numbers.

    Yields:
        Numbers of the samples of a batch, and their vectors [B, D] by name.
    """
    device, names = extractor.device, names_of(extractor)
    numbers = np.arange(len(data)) if samples is None else samples
    batches, done = OrderedBatches(samples=numbers, batch_size=_BATCH_SIZE), 0
    for batch in Loader(data, batches, workers=reader_threads(workers), device=device):
        with torch.inference_mode():
            vectors = extractor.stored_vectors(batch.tensors)
        found = {name: vector_BD.float().cpu().numpy() for name, vector_BD in vectors.items()}
        if BOTH in names and BOTH not in found:
            found[BOTH] = (found["s2"] + found["s1"]) / 2
        yield batch.samples, {name: found[name] for name in names}
        done += len(batch.samples)
        on_progress(done, len(numbers))


def names_of(extractor: Extractor) -> tuple[str, ...]:
    """Return the names of the vectors of a patch.

    In a common space these are the sensors, and `both` if there are two. Other extractors have one
    vector: `both`, or their only sensor.
    """
    names = tuple(extractor.views(extractor.sensors))
    return (*names, BOTH) if len(names) > 1 else names


def _num_rows(out: Path) -> int:
    """Return the number of rows of a file, from which a user may have removed some."""
    return int(pq.read_metadata(out).num_rows)


def shards_provenance(command: str, extractor: Extractor, data: ShardSet) -> Provenance:
    """Return the provenance of an output that an extractor computes from shards."""
    return Provenance(
        command=command,
        options=extractor.record,
        inputs={
            "weights": extractor.sha256,
            "shards": sha256_of(data.folder / DATASET_FILE),
        },
        licences=tuple(dict.fromkeys((*extractor.licences, *licences_in(data.provenance)))),
    )


def write_patches(
    extractor: Extractor,
    data: ShardSet,
    path: Path,
    provenance: Provenance,
    *,
    rows_of: RowsOf,
    workers: int | None,
    on_progress: OnProgress,
) -> None:
    """Write a table with the vectors of each patch, or with columns that are made of them.

    Rows are written while they are computed, so that memory does not grow with the shards.

    Args:
        extractor: The extractor.
        data: Shards; the patches of all splits are encoded.
        path: GeoParquet file to write.
        provenance: Provenance of the file.
        rows_of: Makes the rows of some patches, with `lat` and `lon`, from their metadata and
            their vectors by name.
        workers: Threads that read; one for each core, at most 8, when None.
        on_progress: Called with (patches done, patches in all).
    """
    further = [column.name for column in data.spec.further if column.name not in _OWN]
    metadata = data.metadata([*_OF_PATCH, *_OF_TILE, *further, *_PLACE])
    names = names_of(extractor)
    empty = np.empty((0, extractor.width), np.float32)
    schema = rows_of(metadata.slice(0, 0), dict.fromkeys(names, empty)).schema
    with points_writer(schema, path, provenance, box_deg=box_of(metadata)) as append:
        waiting, count = [], 0
        for samples, vectors in encode_shards(
            extractor, data, workers=workers, on_progress=on_progress
        ):
            waiting.append(rows_of(metadata.take(samples), vectors))
            count += len(samples)
            if count >= _PATCHES_A_GROUP:
                append(pa.concat_tables(waiting))
                waiting, count = [], 0
        if waiting:
            append(pa.concat_tables(waiting))


def _rows(metadata: pa.Table, vectors: Vectors) -> pa.Table:
    """Return one row for each vector; the vectors of a patch stand in successive rows."""
    names = list(vectors)
    repeated = metadata.take(np.repeat(np.arange(len(metadata)), len(names)))
    sensors = pa.array(np.tile(names, len(metadata)).tolist(), pa.string())
    stacked = np.stack([vectors[name] for name in names], axis=1)
    width = stacked.shape[-1]
    vector = pa.FixedSizeListArray.from_arrays(pa.array(stacked.reshape(-1)), width)
    table = repeated.append_column("sensor", sensors).append_column("vector", vector)
    of_tile = [name for name in metadata.column_names if name not in (*_OF_PATCH, *_PLACE)]
    return table.select([*_OF_PATCH, "sensor", *of_tile, "vector", *_PLACE]).combine_chunks()
