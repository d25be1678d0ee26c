"""Slow reference implementation of pairing: plain Python, row by row."""

import math
from datetime import UTC, datetime


def known(value):
    return None if value is None or math.isnan(value) else value


def time_of(text):
    try:
        return datetime.strptime(text or "", "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def cell_of(row):
    # The only cell at the antimeridian in these tables.
    return {"502U_1415R": "502U_1415L"}.get(row["grid_cell"], row["grid_cell"])


def place_of(row):
    return row["parquet_url"].rsplit("/", 1)[1], row["parquet_row"]


def days_apart(a, b):
    times = time_of(b["timestamp"]), time_of(a["timestamp"])
    return None if None in times else (times[0] - times[1]).total_seconds() / 86_400


def last(value):
    """Return a sort key that places None last."""
    return (value is None, value)


def s2_key(row):
    at = time_of(row["timestamp"])
    return (
        last(known(row["nodata"])), last(known(row["cloud_cover"])),
        last(None if at is None else -at.timestamp()), last(row["product_id"]), place_of(row),
        last(row["crs"] or None),
    )  # fmt: skip


def s1_key(a, b):
    apart = days_apart(a, b)
    return (
        last(known(b["nodata"])), last(None if apart is None else abs(apart)),
        last(b["product_id"]), place_of(b), last(b["crs"] or None),
        last(time_of(b["timestamp"])),
    )  # fmt: skip


def first_broken(checks, require_known, suffix):
    """Return the name of the first rule that a row breaks; None if it breaks none.

    ``checks``: (name, the value that the rule looks at, whether a known value breaks it).
    """
    for name, value, breaks in checks:
        if value is not None and breaks(value):
            return name
    if require_known and any(value is None for _, value, _ in checks):
        return f"require_known_{suffix}"
    return None


def s2_breaks(row, rules):
    at, (since, until) = time_of(row["timestamp"]), rules.between()
    checks = []
    if since:
        checks.append(("since", at, lambda at: at < since))
    if until:
        checks.append(("until", at, lambda at: at > until))
    if rules.max_cloud is not None:
        cloud = known(row["cloud_cover"])
        checks.append(("max_cloud", cloud, lambda cloud: cloud > rules.max_cloud))
    if rules.max_nodata is not None:
        nodata = known(row["nodata"])
        checks.append(("max_nodata_s2", nodata, lambda nodata: nodata > rules.max_nodata / 100))
    return first_broken(checks, rules.require_known, "s2")


def s1_breaks(a, b, rules):
    checks = []
    if rules.max_nodata is not None:
        nodata = known(b["nodata"])
        checks.append(("max_nodata_s1", nodata, lambda nodata: nodata > rules.max_nodata / 100))
    if rules.max_dt_days is not None:
        checks.append(("max_dt", days_apart(a, b), lambda dt: abs(dt) > rules.max_dt_days))
    if rules.same_crs:
        both = (a["crs"] or None, b["crs"] or None)
        checks.append(("same_crs", None if None in both else both, lambda both: both[0] != both[1]))
    return first_broken(checks, rules.require_known, "s1")


ORDER = ("since", "until", "max_cloud", "max_nodata_s2", "require_known_s2", "without_s1",
         "max_nodata_s1", "max_dt", "same_crs", "require_known_s1")  # fmt: skip


def paired(s2_rows, s1_rows, rules):
    """Return {cell: (row of S2, row of S1)}, and {cell: rule that removed it}."""
    found, removed = {}, {}
    for cell in sorted({cell_of(row) for row in s2_rows}):
        rows = [row for row in s2_rows if cell_of(row) == cell]
        kept = [row for row in rows if s2_breaks(row, rules) is None]
        if not kept:
            removed[cell] = max((s2_breaks(row, rules) for row in rows), key=ORDER.index)
            continue
        a = min(kept, key=s2_key)
        others = [row for row in s1_rows if cell_of(row) == cell]
        kept = [row for row in others if s1_breaks(a, row, rules) is None]
        if kept:
            found[cell] = a, min(kept, key=lambda b: s1_key(a, b))
        else:
            broken = ["without_s1", *(s1_breaks(a, row, rules) for row in others)]
            removed[cell] = max(broken, key=ORDER.index)
    return found, removed
