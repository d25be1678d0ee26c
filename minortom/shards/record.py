"""``dataset.json``, the record of a data set of shards, read and checked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minortom.errors import InputError, ShardError
from minortom.io.parse import parse_json
from minortom.io.provenance import KEY
from minortom.io.schema import (
    PROVENANCE,
    STATISTICS,
    count,
    file_name,
    list_of,
    map_of,
    optional,
    text,
)
from minortom.io.schema import record as record_of
from minortom.shards.layout import DATASET_FILE, SCHEMA_VERSION, column_records, spec_of

MADE_BY = "make shards with `minortom export`"

_VERSION = record_of(schema_version=count)
_RECORD = record_of(
    patch_px=count, codec=text, format=text, columns=map_of(record_of(bands=list_of(text))),
    statistics=map_of(STATISTICS), splits=optional(map_of(count)),
    shards=list_of(
        record_of(
            file=file_name, rows=count, bytes=optional(count), sha256=optional(text),
            split=optional(text),
        )
    ),
    export=optional(
        record_of(
            tiles=optional(count), tiles_unreadable=optional(map_of(text)),
        )
    ),
    metadata_columns=optional(list_of(record_of(name=text, type=text, unit=optional(text)))),
    replaced=optional(list_of(record_of(reason=optional(text)))),
    **{KEY: PROVENANCE},
)  # fmt: skip

Statistics = dict[str, dict[str, tuple[float, ...] | tuple[str, ...]]]
"""By tensor column: ``bands``, ``mean`` and ``std`` of the ``train`` split, in stored units."""


def read_record(folder: Path) -> dict[str, Any]:
    """Read and check ``dataset.json``.

    Raises:
        ShardError: If the file is missing or damaged, has another schema version, or names bands
            in another layout.
    """
    if not folder.is_dir():
        raise ShardError(f"expected a folder of shards, but {folder} does not exist; {MADE_BY}")
    path = folder / DATASET_FILE
    if not path.is_file():
        found = "is empty" if not any(folder.iterdir()) else f"has no {DATASET_FILE}"
        raise ShardError(f"expected a folder of shards, but {folder} {found}; {MADE_BY}")
    try:
        record = parse_json(path.read_text(encoding="utf-8"))
        _VERSION(record, "")
        version = record["schema_version"]
        if version != SCHEMA_VERSION:
            raise ShardError(
                f"{folder} has shards of schema version {version}, but this minortom reads version "
                f"{SCHEMA_VERSION}; export again, or install the other version of minortom"
            )
        _RECORD(record, "")
        if column_records(spec_of(record)) != record["columns"]:
            raise ShardError(f"{path} names bands in another order or layout; {MADE_BY}")
    except InputError as error:
        raise ShardError(f"{path}: {error}; {MADE_BY}") from None
    except UnicodeDecodeError:  # its repr would print the whole file
        raise ShardError(f"{path} is damaged (it is not text); {MADE_BY}") from None
    except OSError as error:
        raise ShardError(f"cannot read {path} ({error.strerror or error}); {MADE_BY}") from None
    except ValueError as error:
        raise ShardError(f"{path} is damaged ({error}); {MADE_BY}") from None
    return dict(record)


def statistics_in(record: Mapping[str, Any]) -> Statistics:
    """Return the mean and the standard deviation of each band that a record holds."""
    return {
        column: {name: tuple(values) for name, values in of_column.items()}
        for column, of_column in record["statistics"].items()
    }
