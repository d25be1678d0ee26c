"""Faults of files of text: tables, JSON and YAML."""

import csv
import io
import json

import yaml
from bad_values import DEPTH, TEXTS, VALUES, changed, pick


def be_unreadable_as_text(path, rng):
    path.write_text(pick(TEXTS[:20], rng), encoding=pick(("utf-16", "utf-8-sig", "utf-32"), rng))


# --- tables as text


def _rows(path):
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))


def _write_rows(path, rows, **style):
    text = io.StringIO()
    csv.writer(text, **style).writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8", errors="surrogatepass")


def change_a_value(path, rng):
    rows = _rows(path)
    row = pick([row for row in rows if row], rng)
    row[rng.integers(len(row))] = pick(TEXTS, rng)
    _write_rows(path, rows)


def drop_a_cell_of_a_row(path, rng):
    rows = _rows(path)
    pick(rows, rng).pop()
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
    _write_rows(path, [*rows, pick(rows, rng)])


def repeat_a_column(path, rng):
    rows = _rows(path)
    column = rng.integers(len(rows[0]))
    _write_rows(path, [[*row, row[min(column, len(row) - 1)]] for row in rows])


def use_another_sign(path, rng):
    _write_rows(path, _rows(path), delimiter=pick(";|\t :", rng))


def use_another_encoding(path, rng):
    text = path.read_text(encoding="utf-8") + "é,ü\n"
    path.write_text(text, encoding=pick(("latin-1", "utf-16", "utf-16-le", "utf-32"), rng))


# --- values in JSON and YAML


def change_json(path, rng):
    path.write_text(json.dumps(changed(json.loads(path.read_text()), rng)))


def change_yaml(path, rng):
    path.write_text(yaml.safe_dump(changed(yaml.safe_load(path.read_text()), rng)))


def be_another_value(path, rng):
    path.write_text(json.dumps(pick(VALUES, rng)))


def nest_deeply(path, rng):
    left, right = pick((("[", "]"), ('{"a":', "}")), rng)
    path.write_text(left * DEPTH + "1" + right * DEPTH)


def use_tags(path, rng):
    path.write_text(
        pick(('!!int ""', "!!python/name:os.system", "&a [*a]", "a: &a {b: *a}", "? {}\n: 1"), rng)
    )


_OF_TABLES = (
    change_a_value, change_a_value, drop_a_cell_of_a_row, drop_a_row, keep_the_header, repeat_rows,
    repeat_a_column, use_another_sign, use_another_encoding, be_unreadable_as_text,
)  # fmt: skip
_OF_JSON = (change_json, change_json, change_json, be_another_value, nest_deeply)
BY_SUFFIX = {
    ".csv": _OF_TABLES, ".txt": _OF_TABLES,
    ".json": _OF_JSON, ".geojson": _OF_JSON,
    ".yaml": (change_yaml, change_yaml, change_yaml, be_another_value, nest_deeply, use_tags),
}  # fmt: skip
