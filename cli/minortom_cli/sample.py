"""``minortom sample``: choose tiles that are spread over each stratum."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from minortom_cli.console import Json, Overwrite, Seed, Workers, emit, progress


def _search(text: str) -> typer.models.OptionInfo:
    """Describe an option that steers the genetic search."""
    option: typer.models.OptionInfo = typer.Option(help=text, rich_help_panel="Genetic search")
    return option


def sample(
    annotated: Annotated[Path, typer.Argument(help="Tiles with their strata, from `annotate`.")],
    out: Annotated[Path, typer.Option(help="GeoParquet file for the selection.")],
    per_stratum: Annotated[int, typer.Option(min=1, help="Tiles to choose in each stratum.")] = 100,
    method: Annotated[
        Literal["genetic", "random", "farthest-point", "grts"],
        typer.Option(help="A genetic search for the best spread, or a baseline."),
    ] = "genetic",
    keep: Annotated[
        Path | None,
        typer.Option(help="Cells that must be in: text, or CSV or Parquet with grid_cell."),
    ] = None,
    preset: Annotated[
        Literal["default", "paper"], _search("Where the search starts from; paper: Algorithm 2.")
    ] = "default",
    objective: Annotated[
        Literal[
            "entropy", "histogram-entropy", "distance-entropy", "mean-distance", "min-distance"
        ],
        _search("What is made highest in each stratum."),
    ] = "entropy",
    spread: Annotated[
        float | None, _search("Weight of the distance to what other strata chose (0.5).")
    ] = None,
    density: Annotated[
        float | None, _search("0: even over each stratum's area; 1: as its tiles lie (0.1).")
    ] = None,
    generations: Annotated[int | None, _search("Generations in each stratum.")] = None,
    population: Annotated[int | None, _search("Sets of tiles that compete.")] = None,
    crossover_rate: Annotated[float | None, _search("Share of couples that mix (0.5).")] = None,
    mutation_rate: Annotated[
        str | None, _search("Probability a tile that it is replaced; auto: 1/N_s (auto).")
    ] = None,
    tolerance: Annotated[
        float | None, _search("How far the number may be from N_s, as a share of it (0).")
    ] = None,
    seed: Seed = 0,
    workers: Workers = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Choose tiles that are spread evenly over each climate and land-cover stratum."""
    from minortom.presets import options_for
    from minortom.sample import sample_file

    options = options_for(
        per_stratum=per_stratum, method=method, seed=seed, preset=preset, objective=objective,
        spread=spread, density=density, generations=generations, population=population,
        crossover_rate=crossover_rate, mutation_rate=mutation_rate, tolerance=tolerance,
    )  # fmt: skip
    with progress("strata") as advance:
        summary = sample_file(
            annotated, out, options=options, keep=keep, workers=workers, overwrite=overwrite,
            on_progress=advance,
        )  # fmt: skip
    emit(summary, as_json=as_json)
