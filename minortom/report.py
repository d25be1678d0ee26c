"""Metrics and maps of a selection -> a folder with a page, pictures and numbers.

The page is one file that needs no network. It holds no path, host or time, so that the same
inputs give the same bytes.
"""

import base64
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray
from scipy.spatial import cKDTree  # it publishes no types

from minortom import maps
from minortom.baselines import farthest_point_selection, random_selection
from minortom.errors import InputError
from minortom.geoparquet import read_table
from minortom.metrics import Counts, Metrics, count, measure, selected_mask
from minortom.outputs import (
    is_up_to_date,
    now,
    status,
    stored_licences,
    stored_provenance,
    whole_folder,
    write_json,
    write_run_record,
)
from minortom.progress import OnProgress, ignore_progress
from minortom.provenance import KEY, Provenance, sha256_of
from minortom.report_tables import grid_of_strata, strata_below, table_of_sets
from minortom.sphere import km_of_chord
from minortom.strata import Tiles

RECORD = "metrics.json"
PAGE = "report.html"
SETS = ("full", "random", "farthest-point", "selection")

_ANNOTATED = (
    "grid_cell", "lat", "lon", "climate", "landcover", "climate_code", "landcover_code", "stratum",
)  # fmt: skip
_SELECTION = ("grid_cell", "role", "stratum")

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A selection beside the full set and two selections that cost nothing."""

    tiles: Tiles
    masks: Mapping[str, BoolArray]
    """Set -> [n] mask over the annotated tiles, in the order of ``SETS``."""
    metrics: Mapping[str, Metrics]
    counts: Mapping[str, Counts]
    per_stratum: int


def report_folder(
    selection: Path,
    annotated: Path,
    out: Path,
    *,
    seed: int = 0,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> dict[str, Any]:
    """Write ``report.html``, ``metrics.json`` and PNGs into a folder.

    Args:
        selection: File of ``minortom sample``.
        annotated: The file that the selection was made from.
        out: The folder; it appears whole or not at all.
        seed: Of the random draw and the farthest-point selection beside it.
        overwrite: Whether to replace a folder made from something else.
        on_progress: Told how many sets are measured.

    Returns:
        The page's path, whether it was there already, and ``rows``: one a set.

    Raises:
        InputError: If an input cannot be used, or the selection is not of these tiles.
        OutputExistsError: If ``out`` exists and was made from something else.
    """
    started = now()
    provenance = _provenance(selection, annotated, seed)
    there = is_up_to_date(
        out, provenance, inputs=[selection, annotated], overwrite=overwrite, record=RECORD
    )
    if not there:
        table, chosen = _read(selection, annotated)
        compared = compare(
            table, chosen, per_stratum=_wanted(selection), seed=seed, on_progress=on_progress
        )
        with whole_folder(out) as folder:
            pictures = _pictures(table, compared)
            for name, picture in pictures.items():
                (folder / f"{name}.png").write_bytes(picture)
            page = _page(table, compared, pictures, provenance)
            (folder / PAGE).write_text(page, encoding="utf-8")
            write_json(folder / RECORD, _record(compared, provenance))
        write_run_record(out, started)
    rows = json.loads((out / RECORD).read_text(encoding="utf-8"))["rows"]
    return {"out": str(out), "status": status(there), "report": str(out / PAGE), "rows": rows}


def compare(
    annotated: pa.Table,
    chosen: BoolArray,
    *,
    per_stratum: int | None = None,
    seed: int = 0,
    on_progress: OnProgress = ignore_progress,
) -> Compared:
    """Measure a selection, the full set, and draws with as many tiles of each stratum.

    Args:
        annotated: All tiles, with the columns of ``annotated.parquet``.
        chosen: [n] mask of the selection.
        per_stratum: Tiles wanted of each stratum; the most that the selection has when None.
        seed: Of the draws.
        on_progress: Told how many sets are measured.
    """
    tiles = Tiles.of_table(annotated)
    sizes = np.bincount(tiles.strata.codes[chosen], minlength=len(tiles.strata))
    wanted = int(sizes.max()) if per_stratum is None else per_stratum
    drawn = (draw(tiles, sizes, seed=seed) for draw in (random_selection, farthest_point_selection))
    masks = [np.ones(len(tiles), np.bool_), *(_mask(rows, len(tiles)) for rows in drawn), chosen]
    by_set = dict(zip(SETS, masks, strict=True))
    metrics, counts = {}, {}
    for done, (name, mask) in enumerate(by_set.items()):
        on_progress(done, len(SETS))
        metrics[name] = measure(annotated, mask, per_stratum=wanted)
        counts[name] = count(annotated, mask, per_stratum=wanted)
    on_progress(len(SETS), len(SETS))
    return Compared(tiles=tiles, masks=by_set, metrics=metrics, counts=counts, per_stratum=wanted)


def _read(selection: Path, annotated: Path) -> tuple[pa.Table, BoolArray]:
    """Read the annotated tiles, and the selected ones as a mask over them."""
    table = read_table(annotated, _ANNOTATED, made_by="minortom annotate")
    empty = [name for name in _ANNOTATED if table[name].null_count]
    if empty:
        raise InputError(
            f"{annotated} has tiles without {', '.join(empty)}; run `minortom annotate` again"
        )
    picked = read_table(selection, _SELECTION, made_by="minortom sample")
    picked = picked.filter(pc.equal(picked["role"].cast(pa.string()), "selected"))
    if not len(picked):
        raise InputError(
            f"{selection} has no row with the role selected; make it with `minortom sample`"
        )
    for path, some in ((annotated, table), (selection, picked)):
        twice = len(some) - pc.count_distinct(some["grid_cell"]).as_py()
        if twice:
            raise InputError(f"{path} has {twice} cells more than once; wanted one row a cell")
    mask = selected_mask(table, picked)
    ours = table.select(["grid_cell", "stratum"]).filter(pa.array(mask))
    both = [_as_text(some).sort_by("grid_cell") for some in (ours, picked)]
    differ = pc.sum(pc.not_equal(both[0]["stratum"], both[1]["stratum"])).as_py()
    if differ:
        raise InputError(
            f"{differ} of {len(picked)} selected tiles have another stratum in {annotated}; "
            "give the file that the selection was made from"
        )
    return table, mask


def _as_text(table: pa.Table) -> pa.Table:
    return pa.table({name: table[name].cast(pa.string()) for name in ("grid_cell", "stratum")})


def _wanted(selection: Path) -> int | None:
    """Look up the number that was asked of each stratum, where the file tells it."""
    options = (stored_provenance(selection) or {}).get("options")
    found = options.get("per_stratum") if isinstance(options, dict) else None
    return found if isinstance(found, int) else None


def _mask(rows: NDArray[np.int64], length: int) -> BoolArray:
    mask = np.zeros(length, np.bool_)
    mask[rows] = True
    return mask


def _pictures(annotated: pa.Table, compared: Compared) -> dict[str, bytes]:
    lon, lat = annotated["lon"].to_numpy(), annotated["lat"].to_numpy()
    titles = {"random": "Random draw in each stratum", "selection": "Selection"}
    panels = {
        f"{title}: {compared.metrics[name].tiles:,} tiles": (
            lon[compared.masks[name]], lat[compared.masks[name]],
        )
        for name, title in titles.items()
    }  # fmt: skip
    tiles = compared.tiles
    held = np.bincount(tiles.strata.codes[compared.masks["selection"]], minlength=len(tiles.strata))
    pictures = {
        "density": maps.density_map(panels, annotated=(lon, lat)),
        "strata": maps.strata_chart(tiles.strata.sizes, held),
    }
    if compared.metrics["selection"].tiles > 1:
        nearest = {
            name: _nearest_km(tiles.points[compared.masks[name]]) for name in SETS if name != "full"
        }
        pictures["distances"] = maps.distance_chart(nearest)
    return pictures


def _nearest_km(points: NDArray[np.float64]) -> NDArray[np.float64]:
    chords, _ = cKDTree(points).query(points, k=2)
    return km_of_chord(chords[:, 1])


def _page(
    annotated: pa.Table,
    compared: Compared,
    pictures: Mapping[str, bytes],
    provenance: Provenance,
) -> str:
    environment = Environment(
        loader=PackageLoader("minortom"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    tiles, mask = compared.tiles, compared.masks["selection"]
    held = np.bincount(tiles.strata.codes[mask], minlength=len(tiles.strata))
    return environment.get_template("report.html.j2").render(
        metrics=compared.metrics,
        per_stratum=compared.per_stratum,
        num_annotated=len(tiles),
        num_strata=len(tiles.strata),
        pictures={k: base64.b64encode(v).decode("ascii") for k, v in pictures.items()},
        rows=table_of_sets(compared.metrics, compared.counts, per_stratum=compared.per_stratum),
        grid=grid_of_strata(annotated, mask),
        below=strata_below(tiles.strata, held, compared.per_stratum),
        provenance=json.loads(provenance.to_json()),
        on_earth=maps.on_earth(annotated["lon"].to_numpy(), annotated["lat"].to_numpy()),
    )


def _record(compared: Compared, provenance: Provenance) -> dict[str, object]:
    """Lay out metrics.json; what a set is too small for is null."""
    rows = [{"set": name, **_plain(m.as_dict())} for name, m in compared.metrics.items()]
    return {"rows": rows, KEY: json.loads(provenance.to_json())}


def _plain(values: Mapping[str, int | float]) -> dict[str, int | float | None]:
    return {name: None if math.isnan(value) else value for name, value in values.items()}


def _provenance(selection: Path, annotated: Path, seed: int) -> Provenance:
    inputs = {"selection": sha256_of(selection), "annotated": sha256_of(annotated)}
    licences = dict.fromkeys((*stored_licences(annotated), *stored_licences(selection)))
    return Provenance(
        command="report", options={}, inputs=inputs, seed=seed, licences=tuple(licences)
    )
