"""Patches to vectors: the [CLS] of each sensor, from whole images, without masks or flips."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from csmoe_model.data.loader import Loader, reader_threads
from csmoe_model.data.sampler import OrderedBatches
from csmoe_model.distributed.device import encoding
from csmoe_model.inference.load import LoadedModel, load_encoder
from csmoe_model.inference.neighbour_sheet import draw_neighbours
from minortom.errors import InputError, OutputExistsError
from minortom.io.atomic_write import check_parents
from minortom.io.geoparquet import box_of, points_writer, read_table
from minortom.io.provenance import Provenance, licences_in, sha256_of
from minortom.io.up_to_date import is_up_to_date, now, status, write_run_record
from minortom.progress import OnProgress, ignore_progress
from minortom.shards.layout import DATASET_FILE
from minortom.shards.shard_set import ShardSet

BOTH = "both"
_BATCH_SIZE = 64
_PATCHES_A_GROUP = 8192
"""Of a row group: 75 MB of three vectors of 768."""
_COLUMNS = ("grid_cell", "patch_row", "patch_col", "split", "climate", "landcover", "lat", "lon")

Vectors = dict[str, NDArray[np.float32]]
"""[sample, width], by `s2`, `s1` and `both`; by the sensor alone where the model has one."""


def embed(
    checkpoint: str | Path,
    shards: Path,
    out: Path,
    *,
    neighbours: Path | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    on_progress: OnProgress = ignore_progress,
) -> dict[str, object]:
    """Write a GeoParquet file with three vectors a patch: `s2`, `s1` and `both`.

    Rows stand in the order of the shards, and the three of a patch beside each other. `both`
    is the mean of the other two, which both come out of the same LayerNorm. A model of one
    sensor gives that sensor's vectors alone.

    Args:
        checkpoint: As `CSMoE.from_pretrained` takes it.
        shards: Folder of shards; patches of any split.
        out: GeoParquet file to write.
        neighbours: PNG of some patches with their nearest neighbours; none when None. Like
            `out` it is replaced only where `overwrite` allows it.
        overwrite: Whether another file in `out` may be replaced.
        workers: Threads that read; at most 8 of the cores when None.
        on_progress: Called with (patches done, patches in all).

    Returns:
        What there is to tell, for people.

    Raises:
        InputError: If the checkpoint is none.
        ShardError: If the shards are missing, damaged or of another version.
        OutputExistsError: If `out` is something else, or `neighbours` exists.
    """
    started = now()
    data = ShardSet.open(shards)
    trained = load_encoder(checkpoint)
    if neighbours is not None:
        check_parents(neighbours)
    provenance = Provenance(
        command="embed",
        options={},
        inputs={
            "weights": trained.weights_sha256,
            "shards": sha256_of(data.folder / DATASET_FILE),
        },
        licences=tuple(dict.fromkeys((*trained.licences, *licences_in(data.provenance)))),
    )
    inputs = [trained.folder, shards]
    done = is_up_to_date(out, provenance, inputs=inputs, overwrite=overwrite)
    if neighbours is not None and neighbours.exists() and not (done or overwrite):
        raise OutputExistsError(f"{neighbours} exists; give --overwrite or another --neighbours")
    if not done:
        _write(trained, data, out, provenance, workers=workers, on_progress=on_progress)
        write_run_record(out, started)
    if neighbours is not None and (overwrite or not neighbours.exists()):
        draw_neighbours(data, read_vectors(out, names_of(trained)[-1]), neighbours)
    return {
        "status": status(done),
        "out": str(out),
        "patches": len(data),
        "width": trained.model.config.width,
        "neighbours": str(neighbours) if neighbours else None,
    }


def encode_shards(
    trained: LoadedModel,
    data: ShardSet,
    *,
    workers: int | None = None,
    on_progress: OnProgress = ignore_progress,
) -> Iterator[tuple[NDArray[np.int64], Vectors]]:
    """Encode every sample of some shards, in their order.

    Images are normalised with the statistics that the model was trained with, and resized to
    its image size.

    Yields:
        Numbers of some samples, and their vectors [sample, width] by name.
    """
    device, names = next(trained.model.parameters()).device, names_of(trained)
    batches = OrderedBatches(samples=np.arange(len(data)), batch_size=_BATCH_SIZE)
    for batch in Loader(data, batches, workers=reader_threads(workers), device=device):
        with encoding(device):
            images = trained.normalise(batch.tensors)
            cls = trained.model.encode(**{name: images[name] for name in trained.model.sensors})
        found = {name: vector_BD.float().cpu().numpy() for name, vector_BD in cls.items()}
        if BOTH in names:
            found[BOTH] = (found["s2"] + found["s1"]) / 2
        yield batch.samples, {name: found[name] for name in names}
        on_progress(int(batch.samples[-1]) + 1, len(data))


def names_of(trained: LoadedModel) -> tuple[str, ...]:
    """Name the vectors that a model gives: its sensors, and both where it has both."""
    sensors = trained.model.sensors
    return (*sensors, BOTH) if len(sensors) > 1 else sensors


def read_vectors(path: Path, sensor: str) -> NDArray[np.float32]:
    """Read the vectors of one sensor, [sample, width], in the order of the shards.

    Memory holds these and a row group.

    Raises:
        InputError: If the file is none that `csmoe embed` writes.
    """
    check_embeddings(path)
    parts = []
    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            table = file.read_row_group(number, columns=["sensor", "vector"])
            parts.append(_flat(table.filter(pc.equal(table["sensor"], sensor))["vector"]))
    return np.concatenate(parts)


def check_embeddings(path: Path) -> None:
    """Make sure that a file is one that `csmoe embed` writes.

    Raises:
        InputError: If it is missing, no Parquet file, or lacks a column.
    """
    read_table(path, ["sensor", "grid_cell"], made_by="csmoe embed")
    schema = pq.read_schema(path)
    kind = schema.field("vector").type if "vector" in schema.names else pa.null()
    if not pa.types.is_fixed_size_list(kind):
        raise InputError(f"{path} holds no vectors of one length; wanted what `csmoe embed` writes")


def _flat(column: pa.ChunkedArray) -> NDArray[np.float32]:
    flat: NDArray[np.float32] = pc.list_flatten(column).to_numpy()
    return flat.reshape(len(column), -1) if len(column) else flat.reshape(0, column.type.list_size)


def _write(
    trained: LoadedModel,
    data: ShardSet,
    out: Path,
    provenance: Provenance,
    *,
    workers: int | None,
    on_progress: OnProgress,
) -> None:
    """Write the vectors as they come: memory does not grow with the shards."""
    metadata, names = data.metadata(_COLUMNS), names_of(trained)
    schema = _rows(metadata.slice(0, 0), {n: _nothing(trained) for n in names}).schema
    with points_writer(schema, out, provenance, box_deg=box_of(metadata)) as append:
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


def _nothing(trained: LoadedModel) -> NDArray[np.float32]:
    return np.empty((0, trained.model.config.width), np.float32)


def _rows(metadata: pa.Table, vectors: Vectors) -> pa.Table:
    """Lay vectors out as rows: each patch's sensors one after the other."""
    names = list(vectors)
    repeated = metadata.take(np.repeat(np.arange(len(metadata)), len(names)))
    sensors = pa.array(np.tile(names, len(metadata)).tolist(), pa.string())
    stacked = np.stack([vectors[name] for name in names], axis=1)
    width = stacked.shape[-1]
    vector = pa.FixedSizeListArray.from_arrays(pa.array(stacked.reshape(-1)), width)
    table = repeated.append_column("sensor", sensors).append_column("vector", vector)
    first = ("grid_cell", "patch_row", "patch_col", "sensor", "split", "climate", "landcover")
    return table.select([*first, "vector", "lat", "lon"]).combine_chunks()
