"""``minortom.show``: a page with random patches, and a tile with its dropped patches."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from minortom.api.arguments import path_of, whole_number
from minortom.api.results import Result
from minortom.io.artefact import artefact
from minortom.io.provenance import Provenance, licences_in, sha256_of
from minortom.io.up_to_date import check_page, now
from minortom.plotting import patch_pictures as pictures
from minortom.plotting.html_page import page_template, with_minus
from minortom.plotting.patch_pictures import data_uri, patch_pictures
from minortom.progress import OnProgress, ignore_progress
from minortom.shards.further_columns import FurtherColumn
from minortom.shards.layout import DATASET_FILE
from minortom.shards.shard_set import ShardSet

_SHOWN = (
    "grid_cell", "patch_row", "patch_col", "climate", "landcover", "split", "dt_days",
    "s2_timestamp", "s1_timestamp", "lat", "lon", "s2_product_id", "s1_product_id",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Position:
    """A position in the block of patches of a tile."""

    row: int
    col: int
    s2: str
    """Picture as a ``data:`` URL; empty where the patch was dropped."""
    s1: str


@dataclass(frozen=True, kw_only=True)
class ShowResult(Result):
    """Outcome of `show`."""

    out: Path
    status: str
    """``written`` or ``up to date``."""
    patches: int
    """Patches on the page."""
    of: int
    """Patches in the data set."""


def show(
    shards: str | Path,
    *,
    out: str | Path,
    patches: int = 24,
    seed: int = 0,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> ShowResult:
    """Write an HTML page with random patches of both sensors and one tile with its dropped patches.

    The page needs no network.

    Args:
        shards: Folder that ``minortom.export`` made.
        out: HTML file to write.
        patches: Number of random patches; all patches where there are fewer.
        seed: Seed of the choice of patches and of the tile, which is one with dropped patches
            where such a tile exists.
        overwrite: Replace a page of other shards or options.
        on_progress: Called with (patches drawn, patches in total).

    Raises:
        InputError: If an argument is invalid, or ``out`` does not end in ``.html``.
        ShardError: If the shards are missing, damaged or of another schema version.
        OutputExistsError: If ``out`` exists and has other shards or options.
    """
    folder, page = path_of("shards", shards), path_of("out", out)
    patches = whole_number("patches", patches, minimum=1)
    seed = whole_number("seed", seed, minimum=0)
    check_page(page)
    started, data = now(), ShardSet.open(folder)
    record = folder / DATASET_FILE
    provenance = Provenance(
        command="show", options={"patches": patches}, seed=seed,
        inputs={"shards": sha256_of(record)}, licences=licences_in(data.provenance),
    )  # fmt: skip
    with artefact(page, provenance, inputs=[record], overwrite=overwrite, started=started) as made:
        if not made.up_to_date:
            html = _page(data, provenance, patches, seed, on_progress)
            made.path.write_text(html, encoding="utf-8")
    return ShowResult(out=page, status=made.status, patches=min(patches, len(data)), of=len(data))


def _page(
    data: ShardSet, provenance: Provenance, patches: int, seed: int, on_progress: OnProgress
) -> str:
    table, rng = data.metadata(_SHOWN), np.random.default_rng(seed)
    chosen = rng.choice(len(data), min(patches, len(data)), replace=False)
    tile, numbers, side = _tile_of(table, rng)
    total = len(chosen) + len(numbers)
    drawn = []
    for done, index in enumerate((*chosen, *numbers), start=1):
        drawn.append(_pictures(data, int(index)))
        on_progress(done, total)
    cards = [
        {**row, "s2": s2, "s1": s1, "further": further}
        for row, (s2, s1), further in zip(
            table.take(chosen).to_pylist(), drawn, _further(data, chosen), strict=False
        )
    ]
    return page_template("minortom.dataset", "gallery.html.j2").render(
        cards=cards, num_samples=len(data), patch_px=data.spec.patch_px, seed=seed, tile=tile,
        side=side, places=_positions(table, numbers, side, drawn[len(chosen) :]),
        num_kept=len(numbers), further=_further(data, numbers[:1])[0], looks=pictures,
        record=provenance.as_dict(),
        grey={sensor: pictures.grey_band(data, sensor) for sensor in pictures.COLOURS},
    )  # fmt: skip


def _further(data: ShardSet, rows: NDArray[np.int64]) -> list[str]:
    """Return the further columns of some patches, as in ``elevation 312.5 m · biome taiga``."""
    columns = data.spec.further
    if not columns:
        return [""] * len(rows)
    table = data.metadata([column.name for column in columns]).take(rows)
    return [
        " · ".join(_with_unit(column, row[column.name]) for column in columns)
        for row in table.to_pylist()
    ]


def _with_unit(column: FurtherColumn, value: str | float | None) -> str:
    if value is None:
        return f"{column.name} unknown"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    text = text if isinstance(value, str) else with_minus(text)
    return f"{column.name} {text} {column.unit or ''}".rstrip()


def _pictures(data: ShardSet, index: int) -> tuple[str, str]:
    s2, s1 = patch_pictures(data, index)
    return data_uri(s2), data_uri(s1)


def _tile_of(
    table: pa.Table, rng: np.random.Generator
) -> tuple[dict[str, Any], NDArray[np.int64], int]:
    """Choose a random tile with dropped patches, or any tile where no patch was dropped.

    Returns:
        Metadata of its first patch, the numbers of its patches, and the side of a tile's block in
        patches: the largest row or column of the data set, plus one.
    """
    cells = table["grid_cell"].to_numpy()
    names, counts = np.unique(cells.astype(str), return_counts=True)
    largest = max(int(np.max(table[name].to_numpy())) for name in ("patch_row", "patch_col"))
    side = largest + 1
    # Prefer tiles with at least half of their patches, so that most of the tile can be seen.
    incomplete = names[counts < side**2]
    mostly_complete = incomplete[counts[counts < side**2] >= side**2 / 2]
    candidates = next(some for some in (mostly_complete, incomplete, names) if len(some))
    numbers = np.flatnonzero(cells == str(rng.choice(candidates)))
    return table.slice(int(numbers[0]), 1).to_pylist()[0], numbers, side


def _positions(
    table: pa.Table, numbers: NDArray[np.int64], side: int, drawn: Sequence[tuple[str, str]]
) -> list[Position]:
    rows, cols = (table[name].to_numpy()[numbers] for name in ("patch_row", "patch_col"))
    there = {(int(r), int(c)): pictures for r, c, pictures in zip(rows, cols, drawn, strict=True)}
    return [
        Position(row=row, col=col, s2=s2, s1=s1)
        for row in range(side)
        for col in range(side)
        for s2, s1 in [there.get((row, col), ("", ""))]
    ]
