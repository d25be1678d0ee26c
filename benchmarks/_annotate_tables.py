"""Tables of docs/annotate.md."""

from _results import source, stored, table


def tables_of_cells():
    """Return the cost of the look-up of the whole grid in a table of cells."""
    found = stored("table")
    names = {"scan": "plain scan by DuckDB", "look_up": "look-up by `--table`"}
    rows = [
        [names[name], f"{row['cpu_s']:.1f} s", f"{row['memory_gb']:.1f} GB"]
        for name, row in ((name, found[name]) for name in names)
    ]
    head = [f"5,094,350 rows, 20 columns ({found['megabytes']} MB)", "CPU time", "memory"]
    return f"{table(head, rows)}\n\n{source('table')}"


def variable():
    """Return time and memory of the values of a continuous raster at all cells."""
    found = stored("variable")
    at, over, memory = (found[key] for key in ("centres", "means", "memory_mib"))
    differ = f"differ by at most {over['largest_difference']:.0e} of the range"
    sample = (
        f"`sample()` of `rasterio`: {at['sample_s'] / at['seconds']:.0f} × as long; "
        f"{at['differing']} values differ"
    )
    exactextract = (
        f"`exactextract`: {over['exactextract_s'] / over['seconds']:.0f} × as long; means of "
        f"{over['compared']:,} cells {differ}"
    )
    without = f"{memory['maps']:,.0f} MiB without it, {memory['mean']:,.0f} MiB with its means"
    rows = [
        [f"values at the centres of {at['cells']:,} cells", f"{at['seconds']:.1f} s", sample],
        [f"means of {over['cells']:,} cells", f"{over['seconds']:.1f} s", exactextract],
        ["`annotate` with this raster, whole grid", f"{memory['center']:,.0f} MiB", without],
    ]
    head = ["raster of 0.25°", "CPU time or peak memory", "for comparison"]
    return f"{table(head, rows)}\n\n{source('variable')}"


def libraries():
    """Return the processor time of other libraries as a multiple of ours, by task."""
    rows = [
        [row["task"], f"`{row['other']}`", f"{row['ratio']:.0f} ×"]
        for row in stored("annotate")["rows"]
    ]
    head = ["task", "other library", "its processor time"]
    return f"{table(head, rows)}\n\n{source('annotate')}"


ANNOTATE_TABLES = {
    "libraries": libraries,
    "tables-of-cells": tables_of_cells,
    "variable": variable,
}
