"""``dataset.json``, the record of a data set of shards, read and checked."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minortom.errors import InputError, ShardError
from minortom.io.provenance import KEY
from minortom.shards.layout import DATASET_FILE, SCHEMA_VERSION, column_records, spec_of

MADE_BY = "make shards with `minortom export`"

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
        record = json.loads(path.read_text(encoding="utf-8"))
        version = record["schema_version"]
        if version != SCHEMA_VERSION:
            raise ShardError(
                f"{folder} has shards of schema version {version}, but this minortom reads version "
                f"{SCHEMA_VERSION}; export again, or install the other version of minortom"
            )
        if column_records(spec_of(record)) != record["columns"]:
            raise ShardError(f"{path} names bands in another order or layout; {MADE_BY}")
        # Accessed here, so that a record with a missing or wrong entry fails at once.
        _ = statistics_in(record), [(Path(e["file"]), int(e["rows"])) for e in record["shards"]]
        _ = {**record[KEY], **record.get("splits", {}), **record.get("export", {})}
    except InputError as error:
        raise ShardError(f"{path}: {error}; {MADE_BY}") from None
    except UnicodeDecodeError:  # its repr would print the whole file
        raise ShardError(f"{path} is damaged (it is not text); {MADE_BY}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ShardError(f"{path} is damaged ({error!r}); {MADE_BY}") from None
    return dict(record)


def statistics_in(record: Mapping[str, Any]) -> Statistics:
    """Return the mean and the standard deviation of each band that a record holds."""
    return {
        column: {name: tuple(values) for name, values in of_column.items()}
        for column, of_column in record["statistics"].items()
    }
