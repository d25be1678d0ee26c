"""Attributes of patches that captions can say: classes, seasons, shares, and binned numbers.

Axes, as name suffixes:
    n  patches    A  attributes
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from csmoe_model.text.phrases import Phrases

UNKNOWN = -1
"""Code of a patch without a value, and of an attribute that a caption does not say."""
TIME = "s2_timestamp"
SHARE = "fraction_"
_UNNAMED = ("", "unmapped")
_BOOKKEEPING = (
    "grid_cell", "patch_row", "patch_col", "sensor", "split", "vector", "lat", "lon", "bbox",
    "geometry", "stratum", "role", "kept", "reserve_rank", "dt_days", "epsg", "ulx_m", "uly_m",
)  # fmt: skip
"""Columns that describe no ground; neither do those of a sensor, such as `s2_cloud_cover`."""
_MAX_CLASSES = 100
_HEMISPHERES = ("southern", "northern")
_LEVELS = ("low", "medium", "high")
_SEASONS = ("winter", "spring", "summer", "autumn")
_TROPIC_DEG = 23.4
"""Latitude within which there are no four seasons."""
_SOME, _MOSTLY = 0.1, 0.5
"""Minimum shares of "some" and of "mostly"."""

Codes = NDArray[np.int64]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class Attribute:
    """A property of patches with a few values."""

    name: str
    placeholder: str
    """Placeholder that it can stand for, beside its own name."""
    values: tuple[str, ...]
    phrases: tuple[tuple[str, ...], ...]
    """Phrases of each value."""
    code_n: Codes
    """Number of each patch's value; `UNKNOWN` where it has none."""


def attributes_of(
    table: pa.Table, is_train_n: NDArray[np.bool_], phrases: Phrases
) -> list[Attribute]:
    """Return what the columns of a table say about patches.

    Args:
        table: One row for each patch.
        is_train_n: Whether a patch is trained on: numbers are binned by the terciles of these.
        phrases: Phrases of values.
    """
    lat_deg = table["lat"].to_numpy() if "lat" in table.column_names else None
    found: list[Attribute] = []
    for name in _described(table):
        column = table[name]
        if name.startswith(SHARE) and _is_number(column.type):
            found.append(_share(name, column, phrases))
        elif name == TIME:
            if lat_deg is not None and pa.types.is_timestamp(column.type):
                found.append(_season(column, lat_deg, phrases))
        elif name == "climate" and _is_class(column.type):
            found += _climate(column, phrases)
        elif _is_number(column.type):
            found.append(_level(name, column, is_train_n, phrases))
        elif _is_class(column.type):
            found += _classes(name, column, phrases)
    if lat_deg is not None:
        code_n = np.where(np.isfinite(lat_deg), lat_deg >= 0, UNKNOWN).astype(np.int64)
        found.append(
            _named(
                "hemisphere", "hemisphere", _HEMISPHERES, code_n, partial(phrases.of, "hemisphere")
            )
        )
    return [one for one in found if (one.code_n != UNKNOWN).any()]


def codes_of(attributes: Sequence[Attribute], num_patches: int) -> Codes:
    """Return the codes of all attributes, [n, A]."""
    columns = [one.code_n for one in attributes]
    return np.stack(columns, axis=1) if columns else np.empty((num_patches, 0), np.int64)


def _described(table: pa.Table) -> list[str]:
    """Return the columns that describe the ground or its image."""
    names = table.column_names
    return [
        name
        for name in names
        if name == TIME
        or not (
            name in _BOOKKEEPING
            or name.startswith(("s1_", "s2_"))
            or (name.endswith("_code") and name.removesuffix("_code") in names)
        )
    ]


def _classes(name: str, column: pa.ChunkedArray, phrases: Phrases) -> list[Attribute]:
    """Return the attribute of a column of classes; none if it has too many."""
    values, code_n = _codes(column)
    if len(values) > _MAX_CLASSES:
        _log.warning(
            "the column %s has %d values, more than %d; captions leave it out",
            name, len(values), _MAX_CLASSES,
        )  # fmt: skip
        return []
    placeholder = name if name == "landcover" else "descriptor"
    said: Callable[[str], tuple[str, ...]] = partial(phrases.of, name)
    if name not in ("landcover", *phrases.by_value):
        spoken = name.removesuffix("_bin").replace("_", " ")
        said = lambda value: (f"{spoken} {value.replace('_', ' ')}",)  # noqa: E731
    return [_named(name, placeholder, values, code_n, said)]


def _climate(column: pa.ChunkedArray, phrases: Phrases) -> list[Attribute]:
    """Return the class of the climate and, of Köppen's classes, the group."""
    values, code_n = _codes(column)
    found = [_named("climate", "climate", values, code_n, partial(phrases.of, "climate"))]
    groups = tuple(sorted({value[0] for value in values if _is_koppen(value, phrases)}))
    group_of = np.array(
        [groups.index(v[0]) if _is_koppen(v, phrases) else UNKNOWN for v in values] + [UNKNOWN]
    )
    if groups:
        said = partial(phrases.of, "climate_group")
        found.append(_named("climate_group", "climate", groups, group_of[code_n], said))
    return found


def _is_koppen(value: str, phrases: Phrases) -> bool:
    return value in phrases.by_value["climate"] and value[0] in phrases.by_value["climate_group"]


def _season(column: pa.ChunkedArray, lat_deg: NDArray[np.float64], phrases: Phrases) -> Attribute:
    """Return the season of each date, by hemisphere; none in the tropics."""
    month_n = pc.fill_null(pc.month(column), 0).to_numpy()
    quarter_n = month_n % 12 // 3
    code_n = np.where(lat_deg < 0, (quarter_n + 2) % 4, quarter_n)
    code_n = np.where((month_n > 0) & (np.abs(lat_deg) > _TROPIC_DEG), code_n, UNKNOWN)
    return _named("season", "season", _SEASONS, code_n, partial(phrases.of, "season"))


def _share(name: str, column: pa.ChunkedArray, phrases: Phrases) -> Attribute:
    """Return whether a class covers some or most of the cell."""
    share_n = _numbers(column)
    of = name.removeprefix(SHARE)
    source = "climate" if of.startswith("climate_") else "landcover"
    said = phrases.of(source, of.removeprefix("climate_") if source == "climate" else of)
    code_n = np.where(share_n >= _MOSTLY, 1, np.where(share_n >= _SOME, 0, UNKNOWN))
    return _named(
        name, "shares", ("some", "mostly"), code_n,
        lambda value: tuple(f"{value} {phrase}" for phrase in said),
    )  # fmt: skip


def _level(
    name: str, column: pa.ChunkedArray, is_train_n: NDArray[np.bool_], phrases: Phrases
) -> Attribute:
    """Return whether a number is low, medium or high: below, between or above the terciles."""
    value_n = _numbers(column)
    known = value_n[is_train_n & np.isfinite(value_n)]
    code_n = np.full(len(value_n), UNKNOWN)
    if len(known) and known.min() < known.max():
        edges = np.quantile(known, (1 / 3, 2 / 3))
        code_n = np.where(np.isfinite(value_n), np.searchsorted(edges, value_n, "right"), UNKNOWN)
    spoken = name.replace("_", " ")

    def said(value: str) -> tuple[str, ...]:
        return tuple(phrases.by_value.get(name, {}).get(value, ())) or (f"{value} {spoken}",)

    return _named(name, "descriptor", _LEVELS, code_n, said)


def _named(
    name: str, placeholder: str, values: Sequence[str], code_n: Codes,
    said: Callable[[str], tuple[str, ...]],
) -> Attribute:  # fmt: skip
    return Attribute(
        name=name, placeholder=placeholder, values=tuple(values),
        phrases=tuple(said(value) for value in values), code_n=code_n.astype(np.int64),
    )  # fmt: skip


def _codes(column: pa.ChunkedArray) -> tuple[tuple[str, ...], Codes]:
    """Return the sorted values of a column of text, and the number of each row's value."""
    texts = column.cast(pa.string())
    values = sorted(set(pc.unique(texts).to_pylist()) - {None, *_UNNAMED})
    code_n = pc.fill_null(pc.index_in(texts, value_set=pa.array(values, pa.string())), UNKNOWN)
    return tuple(values), code_n.to_numpy().astype(np.int64)


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    value_n: NDArray[np.float64] = pc.fill_null(
        column.cast(pa.float64(), safe=False), float("nan")
    ).to_numpy()
    return value_n


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _is_class(kind: pa.DataType) -> bool:
    """Return whether a column has text or truth values."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(is_kind(kind) for is_kind in (*kinds, pa.types.is_boolean))
