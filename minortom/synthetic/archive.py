"""Archive of the synthetic planet: metadata, and parts with one row per row group."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

from minortom.api.cores import available_cores
from minortom.io.provenance import KEY, Provenance
from minortom.progress import OnProgress
from minortom.synthetic.scene import S2_BANDS, Scene
from minortom.synthetic.tiles import Fault, Tile, make_tile

HUB = "https://huggingface.co/datasets/Major-TOM"
ROWS_PER_PART = 8
FAULTS: dict[int, Fault] = {4: "s2-edge", 7: "s1-edge", 11: "no-s1", 12: "s2-black"}
"""Defect of a tile by its number, the same in each planet."""

_STRING, _NUMBER, _BYTES = pa.string(), pa.float64(), pa.binary()
_HEAD = {"product_id": _STRING, "grid_cell": _STRING, "timestamp": _STRING, "thumbnail": _BYTES}
_IMAGES = {
    "Core-S2L2A": _HEAD | dict.fromkeys(S2_BANDS, _BYTES) | {"cloud_mask": _BYTES},
    "Core-S1RTC": _HEAD | dict.fromkeys(("vv", "vh"), _BYTES),
}
_SENSOR_COLUMNS = {"Core-S2L2A": {"cloud_cover": _NUMBER}, "Core-S1RTC": {"orbit_state": _STRING}}


def write_archive(
    folder: Path, scenes: Sequence[Scene], provenance: Provenance, on_progress: OnProgress
) -> None:
    """Write ``Core-S2L2A`` and ``Core-S1RTC`` to a folder, with rows in the order of the scenes.

    The provenance is stored with the metadata, so that derived files inherit its licences.
    """
    on_progress(0, len(scenes))
    s2_folder, s1_folder = folder / "Core-S2L2A", folder / "Core-S1RTC"
    with (
        _RepositoryWriter(s2_folder, provenance) as s2,
        _RepositoryWriter(s1_folder, provenance) as s1,
    ):
        for done, tile in enumerate(_tiles_in_order(scenes), start=1):
            s2.add(tile.s2, tile.s2_metadata)
            if tile.s1 is not None and tile.s1_metadata is not None:
                s1.add(tile.s1, tile.s1_metadata)
            on_progress(done, len(scenes))


class _RepositoryWriter:
    """Writer of the folder of one sensor."""

    def __init__(self, folder: Path, provenance: Provenance) -> None:
        self._folder, self._provenance = folder, provenance
        self._schema = pa.schema(_IMAGES[folder.name])
        self._metadata: list[dict[str, object]] = []
        self._part: pq.ParquetWriter | None = None
        (folder / "images").mkdir(parents=True)

    def __enter__(self) -> "_RepositoryWriter":
        return self

    def add(self, images: Mapping[str, object], metadata: Mapping[str, object]) -> None:
        """Append a row group to the current part and its location to the metadata."""
        number, row = divmod(len(self._metadata), ROWS_PER_PART)
        part = f"images/part_{number + 1:05d}.parquet"
        if row == 0:
            self._close_part()
            self._part = pq.ParquetWriter(self._folder / part, self._schema, compression="snappy")
        assert self._part is not None
        self._part.write_table(pa.Table.from_pylist([images], schema=self._schema))
        url = f"{HUB}/{self._folder.name}/resolve/main/{part}"
        self._metadata.append({**metadata, "parquet_url": url, "parquet_row": row})

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close_part()
        if kind is None:
            schema = _metadata_schema(self._folder.name)
            schema = schema.with_metadata({KEY: self._provenance.to_json()})
            table = pa.Table.from_pylist(self._metadata, schema=schema)
            pq.write_table(table, self._folder / "metadata.parquet")

    def _close_part(self) -> None:
        if self._part is not None:
            self._part.close()
            self._part = None


def _metadata_schema(repository: str) -> pa.Schema:
    return pa.schema({
        "grid_cell": _STRING, "grid_row_u": pa.int64(), "grid_col_r": pa.int64(),
        "product_id": _STRING, "timestamp": _STRING, **_SENSOR_COLUMNS[repository],
        "nodata": _NUMBER,
        "centre_lat": _NUMBER, "centre_lon": _NUMBER, "crs": _STRING,
        "parquet_url": _STRING, "parquet_row": pa.int64(),
    })  # fmt: skip


def _tiles_in_order(scenes: Sequence[Scene]) -> Iterator[Tile]:
    """Yield tiles made on all cores, a few in advance: each takes hundreds of MB."""
    workers = min(available_cores(), 4)
    waiting: deque[Future[Tile]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for number, scene in enumerate(scenes):
            waiting.append(pool.submit(make_tile, scene, fault=FAULTS.get(number, "")))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
