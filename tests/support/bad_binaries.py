"""Faults of Parquet files, rasters and weights."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import rasterio
from bad_values import DEPTH, TEXTS, changed, pick

# --- Parquet


def _column(table, rng):
    return int(rng.integers(table.num_columns))


def drop_column(path, rng):
    table = pq.read_table(path)
    pq.write_table(table.remove_column(_column(table, rng)), path)


def empty_table(path, rng):
    del rng
    pq.write_table(pq.read_table(path).slice(0, 0), path)


def change_type(path, rng):
    table = pq.read_table(path)
    place, size = _column(table, rng), len(table)
    column = pick(
        (pa.nulls(size), pa.nulls(size, pa.float64()), pa.array([[1]] * size),
         pa.array([b"x"] * size),
         pa.array([{"a": 1}] * size), pa.array([True] * size), pa.array(["x"] * size),
         pa.array(["x"] * size).cast(pa.string_view()),
         pa.array(["é"] * size).dictionary_encode(),
         pa.array([float("nan")] * size), pa.array([1e300] * size), pa.array([-1] * size),
         pa.array([10**18] * size), pa.array(range(size)).cast(pa.timestamp("ns")),
         pa.array(["x"] * size, pa.large_string()), pa.array([1] * size).cast(pa.decimal128(30)),
         pa.array([1] * size, pa.uint8())),
        rng,
    )  # fmt: skip
    pq.write_table(table.set_column(place, table.column_names[place], column), path)


def change_cell(path, rng):
    table = pq.read_table(path)
    place, row = _column(table, rng), rng.integers(len(table))
    values, kind = table.column(place).to_pylist(), table.schema.field(place).type
    others = (None, pick(TEXTS, rng), -1, float("nan"), float("inf"), 2**31, b"", 181.0, -91.0)
    for other in (pick(others, rng), *others):
        try:
            column = pa.array([*values[:row], other, *values[row + 1 :]], kind)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            continue
        break
    pq.write_table(table.set_column(place, table.column_names[place], column), path)


def rename_column(path, rng):
    table = pq.read_table(path)
    names = table.column_names
    names[rng.integers(len(names))] = pick(("x", "", "é", names[0], "stratum", "lat"), rng)
    pq.write_table(table.rename_columns(names), path)


def repeat_table(path, rng):
    del rng
    table = pq.read_table(path)
    pq.write_table(pa.concat_tables([table, table]), path)


def change_metadata(path, rng):
    table = pq.read_table(path)
    stored = dict(table.schema.metadata or {b"geo": b"{}"})
    key = pick(list(stored), rng)
    stored[key] = pick(
        (b"", b"\xff", b"[", b"[]", b"{}", b"3", b"[" * DEPTH, stored[key][:-9]), rng
    )
    pq.write_table(table.replace_schema_metadata(stored), path)


# --- rasters and weights


def change_raster(path, rng):
    with rasterio.open(path) as source:
        profile, values, names = source.profile, source.read(), source.descriptions
    kind = pick(("float32", "int16", "uint16", "uint8", "float64", "complex64", "int32"), rng)
    fault = rng.integers(7)
    if fault == 0:
        values = values.astype(kind)
    elif fault == 1:
        values = np.concatenate([values, values[:1]])
    elif fault == 2:
        values = values[:, : rng.integers(1, 4), : rng.integers(1, 4)]
    elif fault == 3:
        profile["crs"] = pick((None, "EPSG:3857", "EPSG:3031", "EPSG:4979", "EPSG:27700"), rng)
    elif fault == 4:
        scale = pick((0.0, -1.0, float("nan"), 1e-12, 1e12), rng)
        profile["transform"] = rasterio.Affine(scale, 0, 0, 0, -scale, 0)
    elif fault == 5:
        values = np.full_like(values, pick((0, 99, 255), rng))
    else:
        values = np.full(values.shape, pick((np.nan, np.inf, -1, 1.5, 1e30), rng), np.float32)
        profile["nodata"] = pick((None, np.nan), rng)
    profile |= {"dtype": values.dtype, "count": len(values), "tiled": False}
    profile |= {"height": values.shape[1], "width": values.shape[2]}
    for layout in ("blockxsize", "blockysize"):
        profile.pop(layout, None)
    if values.dtype.kind != "f":
        profile["nodata"] = 0
    with rasterio.open(path, "w", **profile) as target:
        target.write(values)
        if len(names) == len(values):
            target.descriptions = names


def change_header(path, rng):
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = changed(json.loads(content[8 : 8 + size]), rng)
    text = json.dumps(header).encode()
    length = pick((len(text), len(text), len(text) + 1, 2**62, 0), rng)
    path.write_bytes(length.to_bytes(8, "little") + text + content[8 + size :])


BY_SUFFIX = {
    ".parquet": (
        drop_column, empty_table, change_type, change_type, change_cell, change_cell,
        rename_column, repeat_table, change_metadata,
    ),
    ".tif": (change_raster,), ".safetensors": (change_header,),
}  # fmt: skip
