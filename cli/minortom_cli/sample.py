"""``minortom sample``: choose tiles that are spread over each stratum."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from minortom_cli.console import Json, Overwrite, Seed, Workers, emit, progress


def sample(
    annotated: Annotated[Path, typer.Argument(help="Tiles with their strata, from `annotate`.")],
    out: Annotated[Path, typer.Option(help="GeoParquet file for the selection.")],
    per_stratum: Annotated[int, typer.Option(min=1, help="Tiles to choose in each stratum.")] = 100,
    method: Annotated[
        Literal["genetic", "random", "farthest-point"],
        typer.Option(help="Spread by a genetic algorithm, or a baseline."),
    ] = "genetic",
    keep: Annotated[
        Path | None,
        typer.Option(help="Cells that must be in: text, or CSV or Parquet with grid_cell."),
    ] = None,
    seed: Seed = 0,
    workers: Workers = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Choose tiles that are spread evenly over each climate and land-cover stratum."""
    from minortom.sample import SampleOptions, sample_file

    options = SampleOptions(per_stratum=per_stratum, method=method, seed=seed)
    with progress("strata") as advance:
        summary = sample_file(
            annotated, out, options=options, keep=keep, workers=workers, overwrite=overwrite,
            on_progress=advance,
        )  # fmt: skip
    emit(summary, as_json=as_json)
