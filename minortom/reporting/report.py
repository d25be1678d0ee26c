"""The public function ``report``: a folder with a page, pictures and the measures.

The folder has no path, host or time, so that the same inputs give the same bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minortom.api.arguments import path_of, several, whole_number
from minortom.api.results import Result, Shown
from minortom.io.artefact import artefact
from minortom.io.atomic_write import write_json
from minortom.io.parse import parse_json
from minortom.io.provenance import KEY, Provenance, sha256_of
from minortom.io.up_to_date import stored_licences
from minortom.progress import OnProgress, ignore_progress
from minortom.reporting.comparison import (
    Comparison,
    HeldOutComparison,
    SpreadComparison,
    compare,
)
from minortom.reporting.held_out_rasters import HeldOutRaster, parse_held_out, read_yardsticks
from minortom.reporting.inputs import (
    REPORT_COLUMNS,
    Convergence,
    ReportInput,
    hash_of_convergence,
    read_convergence,
    read_input,
)
from minortom.reporting.map import split_counts
from minortom.reporting.page import PageContent, page, pictures
from minortom.reporting.spread_cover import SpreadCover

RECORD = "metrics.json"
PAGE = "report.html"


@dataclass(frozen=True, kw_only=True)
class ReportResult(Result):
    """The folder of a report, and the measures of each set."""

    out: Path
    """The folder."""
    status: str
    """``written`` or ``up to date``."""
    report: Path
    """The page."""
    rows: tuple[Mapping[str, Any], ...]
    """Measures of each set: ``full``, the baselines of ``sample --method``, and ``selection``."""
    held_out: tuple[Mapping[str, Any], ...] = ()
    """Measures of each set on held-out data: one row a set and measure."""
    spread_over: tuple[Mapping[str, Any], ...] = ()
    """Coverage of each set in the space of ``sample --spread-over``, in its parts, and in its
    columns together: one row a set and part."""

    def shown(self) -> Shown:
        """Return the rows, one a set."""
        return self.rows


def report(
    selection: str | Path,
    *,
    annotated: str | Path,
    out: str | Path,
    draws: int = 20,
    held_out: str | Sequence[str] | None = None,
    held_out_legend: str | Sequence[str] | None = None,
    seed: int = 0,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> ReportResult:
    """Measure and map a selection, beside the full set, random draws and the other baselines.

    ``minortom.metrics`` returns the measures without a report.

    Args:
        selection: Output of ``sample``.
        annotated: The file that the selection was made from.
        out: Folder for ``report.html``, ``metrics.json`` and PNG files; it appears complete or
            not at all.
        draws: Random draws that the selection is compared with.
        held_out: Rasters that the selection did not use, each as ``NAME=RASTER`` or
            ``NAME=RASTER:BAND``, to measure how well it represents them.
        held_out_legend: Legends of those rasters that have classes, each as ``NAME=LEGEND``: the
            name of a legend, or the path of a YAML file with one.
        seed: Seed of the first random draw and of the other baselines.
        overwrite: Whether to replace a folder with another provenance.
        on_progress: Called with (sets measured, all sets).

    Raises:
        InputError: If an input cannot be used, or the selection has other tiles or strata.
        OutputExistsError: If ``out`` exists with another provenance and ``overwrite`` is false.
    """
    selection, annotated = path_of("selection", selection), path_of("annotated", annotated)
    out = path_of("out", out)
    draws = whole_number("draws", draws, minimum=1)
    seed = whole_number("seed", seed, minimum=0)
    rasters = parse_held_out(
        several("held_out", held_out, expected="NAME=RASTER[:BAND]"),
        several("held_out_legend", held_out_legend, expected="NAME=LEGEND"),
    )
    convergence = read_convergence(selection)
    provenance = _provenance(selection, annotated, convergence, rasters, draws=draws, seed=seed)
    inputs = [selection, annotated, *(file for raster in rasters for file in raster.files)]
    with artefact(out, provenance, inputs=inputs, overwrite=overwrite, record=RECORD) as made:
        if made.up_to_date:
            record = parse_json((out / RECORD).read_text(encoding="utf-8"))
        else:
            source = read_input(selection, annotated, columns=REPORT_COLUMNS, with_space=True)
            wanted = source.wanted
            lon, lat = (
                source.annotated[name].to_numpy().astype(np.float64) for name in ("lon", "lat")
            )
            yardsticks = read_yardsticks(
                rasters, source.tiles, lon, lat, wanted, on_progress=on_progress
            )
            comparison = compare(
                source.annotated,
                source.tiles,
                source.chosen,
                kept=source.kept,
                wanted=wanted,
                draws=draws,
                seed=seed,
                yardsticks=yardsticks,
                spread=_spread_cover(source),
                on_progress=on_progress,
            )
            content = PageContent(source=source, comparison=comparison, convergence=convergence)
            record = _record(content, provenance)
            _write(made.path, content, record, provenance)
    return ReportResult(
        out=out, status=made.status, report=out / PAGE, rows=tuple(record["rows"]),
        held_out=tuple(record.get("held_out", ())),
        spread_over=tuple(record.get("spread_over", ())),
    )  # fmt: skip


def _spread_cover(source: ReportInput) -> SpreadCover | None:
    if source.space is None:
        return None
    return SpreadCover.of(source.tiles, source.space, source.wanted)


def _write(
    folder: Path, content: PageContent, record: Mapping[str, Any], provenance: Provenance
) -> None:
    drawn = pictures(content)
    for name, picture in drawn.items():
        (folder / f"{name}.png").write_bytes(picture)
    (folder / PAGE).write_text(page(content, drawn, provenance), encoding="utf-8")
    write_json(folder / RECORD, record)


def _record(content: PageContent, provenance: Provenance) -> dict[str, Any]:
    """Return the content of ``metrics.json``."""
    splits = split_counts(content.source)
    held_out = [row for of in content.comparison.held_out for row in held_out_rows(of)]
    data = [of.yardstick.as_dict() for of in content.comparison.held_out]
    spread = content.comparison.spread
    return {
        "rows": _rows(content.comparison),
        **({"held_out": held_out, "held_out_data": data} if data else {}),
        **({"spread_over": spread_rows(spread)} if spread else {}),
        **({"splits": splits} if splits else {}),
        KEY: provenance.as_dict(),
    }


def _rows(comparison: Comparison) -> list[dict[str, Any]]:
    """Return the measures of each set; a measure that the set is too small for is None."""
    return [
        {"set": name, **(comparison.draws if name == "random" else found).as_dict()}
        for name, found in comparison.metrics.items()
    ]


def held_out_rows(compared: HeldOutComparison) -> list[dict[str, Any]]:
    """Return one row a set and measure."""
    names = list(compared.yardstick.names)
    return [
        {"set": name, "rasters": names, **figure.as_dict()}
        for name, of_set in compared.figures.items() for figure in of_set
    ]  # fmt: skip


def spread_rows(compared: SpreadComparison) -> list[dict[str, Any]]:
    """Return one row a set and part of the space, without the name of the measure."""
    rows = []
    for name, of_set in compared.figures.items():
        for figure in of_set:
            values = figure.as_dict()
            part = values.pop("measure")
            rows.append({"set": name, "part": part, "unit": compared.units[part], **values})
    return rows


def _provenance(
    selection: Path,
    annotated: Path,
    convergence: Convergence | None,
    rasters: Sequence[HeldOutRaster],
    *,
    draws: int,
    seed: int,
) -> Provenance:
    inputs = {"selection": sha256_of(selection), "annotated": sha256_of(annotated)}
    if convergence:
        inputs["convergence"] = hash_of_convergence(convergence)
    credit_lines: list[str] = []
    for raster in rasters:
        inputs |= raster.hashes()
        credit_lines += raster.credit_lines()
    licences = dict.fromkeys(
        (*stored_licences(annotated), *stored_licences(selection), *credit_lines)
    )
    held_out = {raster.name: raster.as_options() for raster in rasters}
    return Provenance(
        command="report",
        options={"draws": draws, **({"held_out": held_out} if held_out else {})},
        inputs=inputs,
        seed=seed,
        licences=tuple(licences),
    )
