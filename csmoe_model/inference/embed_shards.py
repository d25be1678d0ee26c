"""Embeddings of shards: the [CLS] vectors of each patch, from whole images, without augmentation.

Axes, as name suffixes:
    B  patches in a batch    D  token width
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from csmoe_model.data.loader import Loader, reader_threads
from csmoe_model.data.sampler import OrderedBatches
from csmoe_model.distributed.device import fast_inference
from csmoe_model.inference.embeddings import BOTH, read_vectors
from csmoe_model.inference.load import LoadedModel, load_encoder
from csmoe_model.inference.neighbour_sheet import draw_neighbours
from minortom.api.results import Result
from minortom.errors import OutputExistsError
from minortom.io.artefact import artefact
from minortom.io.atomic_write import check_parents
from minortom.io.geoparquet import box_of, points_writer
from minortom.io.provenance import Provenance, licences_in, sha256_of
from minortom.io.up_to_date import now
from minortom.progress import OnProgress, ignore_progress
from minortom.shards.layout import DATASET_FILE
from minortom.shards.shard_set import ShardSet

_BATCH_SIZE = 64
_PATCHES_A_GROUP = 8192
"""Patches in a row group: 75 MB where each has three vectors of 768."""
_COLUMNS = ("grid_cell", "patch_row", "patch_col", "split", "climate", "landcover", "lat", "lon")

Vectors = dict[str, NDArray[np.float32]]
"""[sample, width] by `s2`, `s1` and `both`; a model of one sensor has that sensor's alone."""


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
    neighbours: Path | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    on_progress: OnProgress = ignore_progress,
) -> EmbedShardsResult:
    """Write a GeoParquet file with three vectors for each patch: `s2`, `s1` and `both`.

    Patches stand in the order of the shards, the three vectors of a patch in successive rows.
    `both` is the mean of the other two, which come from the same LayerNorm. A model of one sensor
    gives that sensor's vectors alone.

    Args:
        checkpoint: As `CSMoE.from_pretrained` takes it.
        shards: Folder of shards; the patches of all splits are encoded.
        out: GeoParquet file to write.
        neighbours: PNG to write, with some patches and their nearest neighbours. Like `out` it is
            replaced only where `overwrite` allows it.
        overwrite: Whether to replace an output that was made otherwise.
        workers: Threads that read; one for each core, at most 8, when None.
        on_progress: Called with (patches done, patches in all).

    Raises:
        InputError: If the checkpoint does not exist or cannot be read.
        ShardError: If the shards are missing, damaged or of another version.
        OutputExistsError: If `out` was made from something else, or `neighbours` exists.
    """
    started = now()
    data = ShardSet.open(shards)
    trained = load_encoder(checkpoint)
    if neighbours is not None:
        check_parents(neighbours)
    provenance = _provenance(trained, data)
    with artefact(
        out, provenance, inputs=[trained.folder, shards], overwrite=overwrite, started=started,
        is_whole=lambda: _num_rows(out) == len(data) * len(names_of(trained)),
    ) as made:  # fmt: skip
        if neighbours is not None and neighbours.exists() and not (made.up_to_date or overwrite):
            raise OutputExistsError(
                f"{neighbours} exists; give --overwrite or another --neighbours"
            )
        if not made.up_to_date:
            _write(trained, data, made.path, provenance, workers=workers, on_progress=on_progress)
    if neighbours is not None and (overwrite or not neighbours.exists()):
        vectors = read_vectors(out, names_of(trained)[-1], data)
        draw_neighbours(data, vectors.vector_nD, neighbours)
    return EmbedShardsResult(
        status=made.status, out=out, patches=len(data), width=trained.model.config.width,
        neighbours=neighbours,
    )  # fmt: skip


def encode_shards(
    trained: LoadedModel,
    data: ShardSet,
    *,
    workers: int | None = None,
    on_progress: OnProgress = ignore_progress,
) -> Iterator[tuple[NDArray[np.int64], Vectors]]:
    """Encode every sample of shards, in their order.

    Images are normalised with the statistics of the model's training data, and resized to the
    image size of the model.

    Yields:
        Numbers of the samples of a batch, and their vectors [B, D] by name.
    """
    device, names = next(trained.model.parameters()).device, names_of(trained)
    batches = OrderedBatches(samples=np.arange(len(data)), batch_size=_BATCH_SIZE)
    for batch in Loader(data, batches, workers=reader_threads(workers), device=device):
        with fast_inference(device):
            images = trained.normalise(batch.tensors)
            cls = trained.model.encode(**{name: images[name] for name in trained.model.sensors})
        found = {name: vector_BD.float().cpu().numpy() for name, vector_BD in cls.items()}
        if BOTH in names:
            found[BOTH] = (found["s2"] + found["s1"]) / 2
        yield batch.samples, {name: found[name] for name in names}
        on_progress(int(batch.samples[-1]) + 1, len(data))


def names_of(trained: LoadedModel) -> tuple[str, ...]:
    """Return the names of a model's vectors: its sensors, and `both` if it has two."""
    sensors = trained.model.sensors
    return (*sensors, BOTH) if len(sensors) > 1 else sensors


def _num_rows(out: Path) -> int:
    """Return the number of rows of a file, from which a user may have removed some."""
    return int(pq.read_metadata(out).num_rows)


def _provenance(trained: LoadedModel, data: ShardSet) -> Provenance:
    return Provenance(
        command="embed",
        options={},
        inputs={
            "weights": trained.weights_sha256,
            "shards": sha256_of(data.folder / DATASET_FILE),
        },
        licences=tuple(dict.fromkeys((*trained.licences, *licences_in(data.provenance)))),
    )


def _write(
    trained: LoadedModel,
    data: ShardSet,
    path: Path,
    provenance: Provenance,
    *,
    workers: int | None,
    on_progress: OnProgress,
) -> None:
    """Write the vectors while they are computed, so that memory does not grow with the shards."""
    metadata, names = data.metadata(_COLUMNS), names_of(trained)
    empty = np.empty((0, trained.model.config.width), np.float32)
    schema = _rows(metadata.slice(0, 0), dict.fromkeys(names, empty)).schema
    with points_writer(schema, path, provenance, box_deg=box_of(metadata)) as append:
        waiting, count = [], 0
        for samples, vectors in encode_shards(
            trained, data, workers=workers, on_progress=on_progress
        ):
            waiting.append(_rows(metadata.take(samples), vectors))
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
    first = ("grid_cell", "patch_row", "patch_col", "sensor", "split", "climate", "landcover")
    return table.select([*first, "vector", "lat", "lon"]).combine_chunks()
