"""Archives of Major TOM products: their metadata, and the images of a row.

An archive has ``metadata.parquet`` and ``images/part_*.parquet`` with one row per row group. The
file name in ``parquet_url`` names the part of a row. An archive is a local folder, a folder behind
``http(s)://``, or a data set of the hub, ``hf://datasets/OWNER/NAME`` or ``…@REVISION``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from minortom.archive.parts import LocalParts, Parts, RemoteParts
from minortom.errors import ArchiveError, RemoteError
from minortom.grid.cells import cells_from_names
from minortom.io.up_to_date import stored_licences
from minortom.progress import OnProgress, ignore_progress
from minortom.public_urls import public_url
from minortom.remote.http import is_url
from minortom.remote.http_cache import cached_copy
from minortom.remote.hub_datasets import HubDataset
from minortom.sensors import MODEL_BANDS, SensorName
from minortom.shards.pixel_credit import MAJOR_TOM

_TEXT = ("grid_cell", "product_id", "timestamp", "crs", "parquet_url")
_NUMBERS = ("nodata", "parquet_row")
_PAGE_OF_HUB = re.compile(r"https?://huggingface\.co/(datasets/[^/]+/[^/]+)(?:/tree/main)?")
_LAYOUT = "expected an archive in Major TOM's layout: metadata.parquet, images/part_*.parquet"


@dataclass(frozen=True, kw_only=True)
class Archive:
    """Archive of one product, such as Core-S2L2A."""

    place: str
    """Its path or address, without secrets."""
    sensor: SensorName
    metadata_path: Path
    """Table of all rows: a local file, for a remote archive a copy."""
    parts: Parts
    """Access to its images."""

    @classmethod
    def open(
        cls, place: str | Path, sensor: SensorName, *, on_fetch: OnProgress = ignore_progress
    ) -> "Archive":
        """Open an archive and check its metadata, downloading them from a remote archive.

        Args:
            place: Local folder, ``http://…``, ``https://…`` or ``hf://datasets/OWNER/NAME``.
            sensor: Sensor of the expected product.
            on_fetch: Called with (bytes done, bytes in all) while metadata are downloaded over
                HTTP. The library of the hub shows its own progress bar.

        Raises:
            ArchiveError: If the archive or its metadata do not exist, or a column is missing or
                has another type of value.
            RemoteError: If the download fails.
        """
        text = str(place)
        if isinstance(place, Path) or not is_url(text):
            archive = cls._of_folder(Path(place), sensor)
        elif text.lower().startswith("hf://"):
            archive = cls._of_hub(HubDataset.parse(text), sensor)
        else:
            archive = cls._of_web(text, sensor, on_fetch)
        archive.check_metadata()
        return archive

    @classmethod
    def _of_folder(cls, folder: Path, sensor: SensorName) -> "Archive":
        if not folder.is_dir():
            raise ArchiveError(f"{folder} does not exist; {_LAYOUT}")
        path = folder / "metadata.parquet"
        if not path.is_file():
            raise ArchiveError(f"{folder} has no metadata.parquet; {_LAYOUT}")
        if not (folder / "images").is_dir():
            raise ArchiveError(f"{folder} has no folder images; {_LAYOUT}")
        parts = LocalParts(
            folder=folder.absolute() / "images"
        )  # workers may have another working directory
        return cls(place=str(folder), sensor=sensor, metadata_path=path, parts=parts)

    @classmethod
    def _of_web(cls, url: str, sensor: SensorName, on_fetch: OnProgress) -> "Archive":
        head, mark, query = url.partition("?")
        folder = head.rstrip("/")
        page = _PAGE_OF_HUB.fullmatch(folder)
        if page:
            raise ArchiveError(
                f"{public_url(folder)} is a web page, not an archive; give hf://{page[1]}"
            )
        metadata = cached_copy(f"{folder}/metadata.parquet{mark}{query}", on_progress=on_fetch)
        parts = RemoteParts(folder=f"{folder}/images", query=mark + query)
        return cls(place=public_url(folder), sensor=sensor, metadata_path=metadata, parts=parts)

    @classmethod
    def _of_hub(cls, data_set: HubDataset, sensor: SensorName) -> "Archive":
        path, commit = data_set.fetch("metadata.parquet")
        # From the same commit as the metadata, which say where a row is in its part.
        parts = RemoteParts(folder=data_set.url("images", commit), on_hub=True)
        return cls(place=str(data_set), sensor=sensor, metadata_path=path, parts=parts)

    @property
    def licences(self) -> tuple[str, ...]:
        """Licences that derived files inherit: those that the metadata record, or Major TOM's."""
        return stored_licences(self.metadata_path) or (MAJOR_TOM.line,)

    @property
    def metadata_columns(self) -> dict[str, str]:
        """Columns of the metadata that are read, and their type of value: text or numbers."""
        numbers = (*_NUMBERS, "cloud_cover") if self.sensor == "s2" else _NUMBERS
        return dict.fromkeys(_TEXT, "text") | dict.fromkeys(numbers, "numbers")

    def check_metadata(self) -> None:
        """Check that the metadata have the columns that are read.

        Raises:
            ArchiveError: If the metadata cannot be read, or a column is missing, repeated or of
                another type of value.
        """
        try:
            found = pq.read_schema(self.metadata_path)
        except (OSError, pa.ArrowException) as error:
            raise self.unreadable(error) from None
        missing = [name for name in self.metadata_columns if name not in found.names]
        if missing:
            raise ArchiveError(
                f"expected the column {', '.join(missing)} in the metadata of {self.place}, found "
                f"{', '.join(found.names)}; is this the archive of {self.sensor}?"
            )
        for name, expected in self.metadata_columns.items():
            if found.names.count(name) > 1:
                raise ArchiveError(
                    f"the metadata of {self.place} have the column {name} more than once; keep one"
                )
            kind = found.field(name).type
            if not _has_type(kind, expected):
                raise ArchiveError(
                    f"expected {expected} in the column {name} of the metadata of {self.place}, "
                    f"found {kind}"
                )

    def unreadable(self, error: Exception) -> ArchiveError:
        """Return the error for metadata that cannot be read, with the reason."""
        found = str(error).splitlines()[0]
        return ArchiveError(f"the metadata of {self.place} cannot be read ({found}); {_LAYOUT}")

    def read_tile(
        self, part: str, row: int, *, cell: str, product_id: str, bands: Sequence[str] | None = None
    ) -> dict[str, bytes]:
        """Read the GeoTIFF bytes of a tile's bands, by name; only its row group is read.

        Args:
            part: File name of the part.
            row: Row, and row group, within the part.
            cell: Expected cell of the row.
            product_id: Expected product of the row.
            bands: Columns to read; the bands of the sensor when None.

        Raises:
            ArchiveError: If the part is missing or damaged, or the row is of another tile.
            RemoteError: If the download fails.
        """
        bands = MODEL_BANDS[self.sensor] if bands is None else bands
        where = f"{self.sensor} {part} row {row}"
        try:
            table = self.parts.read_row(part, row, ("grid_cell", "product_id", *bands))
            images = {name: table[name].cast(pa.binary()) for name in bands}
        except (ArchiveError, RemoteError) as error:
            raise type(error)(f"{where}: {error}") from None
        except (OSError, pa.ArrowException) as error:
            raise ArchiveError(f"{where}: {str(error).splitlines()[0]}") from None
        if len(table) != 1:
            raise ArchiveError(f"{where}: expected 1 row in a row group, found {len(table)}")
        found_cell, found_id = (table[name][0].as_py() for name in ("grid_cell", "product_id"))
        if found_id != product_id or found_cell not in published_names(cell):
            raise ArchiveError(
                f"{where}: expected {cell} of {product_id} as in the metadata, found {found_cell} "
                f"of {found_id}"
            )
        return {name: image[0].as_py() or b"" for name, image in images.items()}


def part_of(parquet_url: str) -> str:
    """Return the file name of a part, without the query of a signed URL."""
    return parquet_url.partition("?")[0].partition("#")[0].rpartition("/")[2]


def _has_type(kind: pa.DataType, expected: str) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_null(kind):  # no row has a value
        return True
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    return bool(is_text if expected == "text" else is_number)


def published_names(cell: str) -> tuple[str, ...]:
    """Return the names that an archive may use for a cell.

    In a few rows the archive names the westernmost cell, at the antimeridian, as the easternmost:
    ``(M/2)R`` instead of ``(M/2)L``.
    """
    at_antimeridian = np.any(cells_from_names([cell]).bounds_deg()[0] == -180)
    return (cell, f"{cell[:-1]}R") if at_antimeridian else (cell,)
