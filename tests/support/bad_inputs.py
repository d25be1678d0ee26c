"""Bad inputs: a small valid file with one fault, chosen by a random generator."""

import csv
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import rasterio
import yaml
from rasterio.errors import RasterioError

TEXTS = (
    "", "nan", "inf", "-inf", "1e999", "-1", "0", "é", "\u200b", "a,b", '"', "'", "../x",
    "x" * 5000, "<script>", "# a", "1_0", "0x10", "2020-13-45", "0U_0R", "9999U_1R", "0U_99999R",
    "null", "[", "{",
    "http://[/x", "/dev/null", ".", "/", "~", "a\nb", "a\tb", "%s", "{0}", "\ud800",
)  # fmt: skip
VALUES = (
    None, True, [], {}, "", "x", -1, 0, 1.5, 1e308, 10**30, [[[]]], {"": {}}, ["a", 1], "é\n# a",
    float("nan"), float("inf"),
)  # fmt: skip
DEPTH = 50_000


def spoil(path, rng):
    """Put one fault into a file, or into a file of a folder; return its name."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        return spoil(files[rng.integers(len(files))], rng)
    own = _BY_SUFFIX.get(path.suffix.lower(), ())
    faults = (*own, *own, *own, *_OF_BYTES)  # most faults are those of the format
    fault = faults[rng.integers(len(faults))]
    try:
        fault(path, rng)
    except (pa.ArrowException, RasterioError, ValueError, TypeError, OSError):
        cut(path, rng)  # this file cannot have that fault
        fault = cut
    return f"{path.name}: {fault.__name__}"


def _one(items, rng):
    return items[rng.integers(len(items))]


# --- bytes


def cut(path, rng):
    content = path.read_bytes()
    path.write_bytes(content[: rng.integers(len(content) + 1)])


def flip(path, rng):
    content = bytearray(path.read_bytes() or b"x")
    for place in rng.integers(len(content), size=rng.integers(1, 9)):
        content[place] ^= int(rng.integers(1, 256))
    path.write_bytes(content)


def noise(path, rng):
    path.write_bytes(rng.bytes(rng.integers(200)))


def put_in(path, rng):
    content = path.read_bytes()
    place = rng.integers(len(content) + 1)
    more = _one((b"\0" * 9, b"\xff\xfe", b"\r", b"\n\n\n", b"{" * 99, b"\xef\xbb\xbf"), rng)
    path.write_bytes(content[:place] + more + content[place:])


def page(path, rng):
    del rng
    path.write_text("<!doctype html><html><body>Log in</body></html>")


def become_a_folder(path, rng):
    del rng
    path.unlink()
    path.mkdir()


def be_missing(path, rng):
    del rng
    path.unlink()


def be_unreadable_as_text(path, rng):
    path.write_text(_one(TEXTS[:20], rng), encoding=_one(("utf-16", "utf-8-sig", "utf-32"), rng))


# --- tables as text


def _rows(path):
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))


def _write_rows(path, rows, **style):
    text = io.StringIO()
    csv.writer(text, **style).writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8", errors="surrogatepass")


def change_a_value(path, rng):
    rows = _rows(path)
    row = _one([row for row in rows if row], rng)
    row[rng.integers(len(row))] = _one(TEXTS, rng)
    _write_rows(path, rows)


def drop_a_cell_of_a_row(path, rng):
    rows = _rows(path)
    _one(rows, rng).pop()
    _write_rows(path, rows)


def drop_a_row(path, rng):
    rows = _rows(path)
    rows.pop(rng.integers(len(rows)))
    _write_rows(path, rows)


def keep_the_header(path, rng):
    del rng
    _write_rows(path, _rows(path)[:1])


def repeat_rows(path, rng):
    rows = _rows(path)
    _write_rows(path, [*rows, _one(rows, rng)])


def repeat_a_column(path, rng):
    rows = _rows(path)
    column = rng.integers(len(rows[0]))
    _write_rows(path, [[*row, row[min(column, len(row) - 1)]] for row in rows])


def use_another_sign(path, rng):
    _write_rows(path, _rows(path), delimiter=_one(";|\t :", rng))


def use_another_encoding(path, rng):
    text = path.read_text(encoding="utf-8") + "é,ü\n"
    path.write_text(text, encoding=_one(("latin-1", "utf-16", "utf-16-le", "utf-32"), rng))


# --- values in JSON and YAML


def _places(value):
    """Return (container, key) of each value within a value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, item in pairs:
        found.append((value, key))
        if isinstance(item, dict | list):
            found += _places(item)
    return found


def _changed(value, rng):
    places = _places(value)
    if places:
        container, key = _one(places, rng)
        if rng.random() < 0.2:
            del container[key]
        elif rng.random() < 0.2 and isinstance(container, dict):
            container[_one(("x", "", "é", "a b"), rng)] = container.pop(key)
        else:
            container[key] = _one(VALUES, rng)
    return value


def change_json(path, rng):
    path.write_text(json.dumps(_changed(json.loads(path.read_text()), rng)))


def change_yaml(path, rng):
    path.write_text(yaml.safe_dump(_changed(yaml.safe_load(path.read_text()), rng)))


def be_another_value(path, rng):
    path.write_text(json.dumps(_one(VALUES, rng)))


def nest_deeply(path, rng):
    left, right = _one((("[", "]"), ('{"a":', "}")), rng)
    path.write_text(left * DEPTH + "1" + right * DEPTH)


def use_tags(path, rng):
    path.write_text(
        _one(('!!int ""', "!!python/name:os.system", "&a [*a]", "a: &a {b: *a}", "? {}\n: 1"), rng)
    )


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
    column = _one(
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
    others = (None, _one(TEXTS, rng), -1, float("nan"), float("inf"), 2**31, b"", 181.0, -91.0)
    for other in (_one(others, rng), *others):
        try:
            column = pa.array([*values[:row], other, *values[row + 1 :]], kind)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            continue
        break
    pq.write_table(table.set_column(place, table.column_names[place], column), path)


def rename_column(path, rng):
    table = pq.read_table(path)
    names = table.column_names
    names[rng.integers(len(names))] = _one(("x", "", "é", names[0], "stratum", "lat"), rng)
    pq.write_table(table.rename_columns(names), path)


def repeat_table(path, rng):
    del rng
    table = pq.read_table(path)
    pq.write_table(pa.concat_tables([table, table]), path)


def change_metadata(path, rng):
    table = pq.read_table(path)
    stored = dict(table.schema.metadata or {b"geo": b"{}"})
    key = _one(list(stored), rng)
    stored[key] = _one(
        (b"", b"\xff", b"[", b"[]", b"{}", b"3", b"[" * DEPTH, stored[key][:-9]), rng
    )
    pq.write_table(table.replace_schema_metadata(stored), path)


# --- rasters and weights


def change_raster(path, rng):
    with rasterio.open(path) as source:
        profile, values, names = source.profile, source.read(), source.descriptions
    kind = _one(("float32", "int16", "uint16", "uint8", "float64", "complex64", "int32"), rng)
    fault = rng.integers(7)
    if fault == 0:
        values = values.astype(kind)
    elif fault == 1:
        values = np.concatenate([values, values[:1]])
    elif fault == 2:
        values = values[:, : rng.integers(1, 4), : rng.integers(1, 4)]
    elif fault == 3:
        profile["crs"] = _one((None, "EPSG:3857", "EPSG:3031", "EPSG:4979", "EPSG:27700"), rng)
    elif fault == 4:
        scale = _one((0.0, -1.0, float("nan"), 1e-12, 1e12), rng)
        profile["transform"] = rasterio.Affine(scale, 0, 0, 0, -scale, 0)
    elif fault == 5:
        values = np.full_like(values, _one((0, 99, 255), rng))
    else:
        values = np.full(values.shape, _one((np.nan, np.inf, -1, 1.5, 1e30), rng), np.float32)
        profile["nodata"] = _one((None, np.nan), rng)
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
    header = _changed(json.loads(content[8 : 8 + size]), rng)
    text = json.dumps(header).encode()
    length = _one((len(text), len(text), len(text) + 1, 2**62, 0), rng)
    path.write_bytes(length.to_bytes(8, "little") + text + content[8 + size :])


_OF_BYTES = (cut, flip, noise, put_in, page, become_a_folder, be_missing)
_OF_TABLES = (
    change_a_value, change_a_value, drop_a_cell_of_a_row, drop_a_row, keep_the_header, repeat_rows,
    repeat_a_column, use_another_sign, use_another_encoding, be_unreadable_as_text,
)  # fmt: skip
_OF_JSON = (change_json, change_json, change_json, be_another_value, nest_deeply)
_BY_SUFFIX = {
    ".csv": _OF_TABLES, ".txt": _OF_TABLES,
    ".json": _OF_JSON, ".geojson": _OF_JSON,
    ".yaml": (change_yaml, change_yaml, change_yaml, be_another_value, nest_deeply, use_tags),
    ".parquet": (
        drop_column, empty_table, change_type, change_type, change_cell, change_cell,
        rename_column, repeat_table, change_metadata,
    ),
    ".tif": (change_raster,), ".safetensors": (change_header,),
}  # fmt: skip
