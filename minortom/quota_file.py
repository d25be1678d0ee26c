"""A file of quotas: CSV or Parquet with the columns ``stratum`` and ``tiles``."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from minortom.errors import InputError
from minortom.quotas import MOST_TILES

_WANTED = "wanted a CSV or Parquet file with the columns stratum and tiles"


def read_quota(path: Path) -> dict[str, int]:
    """Read the tiles wanted of each stratum: Parquet where it is called so, else CSV.

    Raises:
        InputError: If the file cannot be read, lacks a column, names a stratum twice, or has a
            number that is missing, negative or not whole.
    """
    is_parquet = path.suffix.lower() in (".parquet", ".geoparquet")
    try:
        table = pq.read_table(path) if is_parquet else _read_csv(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"cannot read {path} ({str(error).splitlines()[0]}); {_WANTED}") from None
    missing = [name for name in ("stratum", "tiles") if table.column_names.count(name) != 1]
    if missing:
        raise InputError(
            f"{path} has not one column {', '.join(missing)} but the columns "
            f"{', '.join(table.column_names)}; {_WANTED}"
        )
    try:
        names = table["stratum"].cast(pa.string()).to_pylist()
        numbers = table["tiles"].cast(pa.int64()).to_pylist()
    except pa.ArrowException as error:
        found = str(error).splitlines()[0]
        raise InputError(f"{path}: {found}; wanted whole numbers as tiles") from None
    return _checked(path, names, numbers)


def _checked(path: Path, names: list[str | None], numbers: list[int | None]) -> dict[str, int]:
    quota: dict[str, int] = {}
    for row, (name, number) in enumerate(zip(names, numbers, strict=True), start=1):
        if name is None or number is None:
            raise InputError(f"{path}, row {row}: stratum or tiles is empty; fill or drop the row")
        if not 0 <= number <= MOST_TILES:
            raise InputError(
                f"{path}: {number} tiles of {name}; wanted a number from 0 to {MOST_TILES:,}"
            )
        if name in quota:
            raise InputError(f"{path} names the stratum {name} twice; wanted one row a stratum")
        quota[name] = number
    if not quota:
        raise InputError(f"{path} has no rows; {_WANTED}")
    return dict(sorted(quota.items()))


def _read_csv(path: Path) -> pa.Table:
    # As text: a class may be called 10 or NA.
    as_text = pa_csv.ConvertOptions(
        column_types={"stratum": pa.string(), "tiles": pa.string()}, null_values=[""],
        strings_can_be_null=True,
    )  # fmt: skip
    table = pa_csv.read_csv(path, convert_options=as_text)
    # People put spaces after commas.
    columns = [
        pc.utf8_trim_whitespace(column) if pa.types.is_string(column.type) else column
        for column in table.columns
    ]
    return pa.table(columns, names=[name.strip() for name in table.column_names])
