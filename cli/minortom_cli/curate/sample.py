"""``minortom sample``: choose tiles that are spread over each stratum.

One line an option: the command is as long as what it can be asked.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from minortom_cli.console import Engine, Json, Overwrite, Scheduler, Seed, Workers, emit, progress


def _panel(name: str) -> Any:  # noqa: ANN401  (what typer.Option gives has no public type)
    """Give a maker of options that `--help` shows under one heading."""

    def option(text: str, **more: Any) -> Any:  # noqa: ANN401
        return typer.Option(help=text, rich_help_panel=name, **more)

    return option


_number = _panel("How many of each stratum")
_place = _panel("Distances, reserves, splits")
_search = _panel("Genetic search")

PerStratum = Annotated[int | None, _number("Tiles to choose in each stratum (100).", min=1)]
Quota = Annotated[
    Path | None, _number("Numbers of single strata: CSV or Parquet with stratum, tiles.")
]
Total = Annotated[int | None, _number("Tiles to choose in all.", min=1)]
Allocation = Annotated[
    Literal["equal", "proportional", "sqrt"] | None,
    _number("How strata share --tiles: alike, by their tiles, or by the root of those (equal)."),
]
StratifyBy = Annotated[
    str | None,
    _number("Columns that make the strata, as climate,ecoregion; the file's own by default."),
]
MinDistance = Annotated[float | None, _place("Least distance between any two tiles.")]
Reserves = Annotated[
    int, _place("Ranked further tiles of each stratum, for chosen ones that fail.", min=0)
]
Split = Annotated[
    str | None, _place("Shares of train, val and test in blocks of ground, as 0.9,0.05,0.05.")
]
SplitBlock = Annotated[float | None, _place("Least side of these blocks (100).")]
Preset = Annotated[
    Literal["default", "paper"], _search("Where the search starts from; paper: Algorithm 2.")
]
Objective = Annotated[
    Literal["entropy", "histogram-entropy", "distance-entropy", "mean-distance", "min-distance"],
    _search("What is made highest in each stratum."),
]
Spread = Annotated[
    float | None, _search("Weight of the distance to what other strata chose (0.5).")
]
Density = Annotated[
    float | None, _search("0: even over each stratum's area; 1: as its tiles lie (0.1).")
]
Generations = Annotated[int | None, _search("Generations in each stratum.")]
Population = Annotated[int | None, _search("Sets of tiles that compete.")]
CrossoverRate = Annotated[float | None, _search("Share of couples that mix (0.5).")]
MutationRate = Annotated[
    str | None, _search("Probability a tile that it is replaced; auto: 1/N_s (auto).")
]
Tolerance = Annotated[
    float | None, _search("How far the number may be from N_s, as a share of it (0).")
]
TimeBudget = Annotated[
    float | None, _search("Seconds after which the search ends with the best so far.")
]


def sample(
    annotated: Annotated[Path, typer.Argument(help="Tiles with their strata, from `annotate`.")],
    out: Annotated[Path, typer.Option(help="GeoParquet file for the selection.")],
    method: Annotated[
        Literal["genetic", "random", "farthest-point", "grts"],
        typer.Option(help="A genetic search for the best spread, or a baseline."),
    ] = "genetic",
    keep: Annotated[
        Path | None,
        typer.Option(help="Cells that must be in: text, or CSV or Parquet with grid_cell."),
    ] = None,
    per_stratum: PerStratum = None,
    quota: Quota = None,
    tiles: Total = None,
    allocation: Allocation = None,
    stratify_by: StratifyBy = None,
    min_distance_km: MinDistance = None,
    reserves: Reserves = 0,
    split: Split = None,
    split_block_km: SplitBlock = None,
    preset: Preset = "default",
    objective: Objective = "entropy",
    spread: Spread = None,
    density: Density = None,
    generations: Generations = None,
    population: Population = None,
    crossover_rate: CrossoverRate = None,
    mutation_rate: MutationRate = None,
    tolerance: Tolerance = None,
    time_budget: TimeBudget = None,
    seed: Seed = 0,
    engine: Engine = "local",
    scheduler: Scheduler = None,
    workers: Workers = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Choose tiles that are spread evenly over each climate and land-cover stratum.

    A search that was stopped goes on where it was when the same command is given again.
    """
    started = datetime.now(UTC)  # before the heavy imports: a time budget counts them
    from minortom.engine.executors import EngineOptions
    from minortom.sampling.presets import options_for
    from minortom.sampling.selection import sample_file

    options = options_for(
        per_stratum=per_stratum, tiles=tiles, allocation=allocation, stratify_by=stratify_by,
        min_distance_km=min_distance_km, reserves=reserves, split=split,
        split_block_km=split_block_km, time_budget_s=time_budget,
        method=method, seed=seed, preset=preset, objective=objective,
        spread=spread, density=density, generations=generations, population=population,
        crossover_rate=crossover_rate, mutation_rate=mutation_rate, tolerance=tolerance,
    )  # fmt: skip
    with progress("strata") as advance:
        summary = sample_file(
            annotated, out, options=options, keep=keep, quota=quota, started=started,
            engine=EngineOptions(engine=engine, scheduler=scheduler, workers=workers),
            overwrite=overwrite, on_progress=advance,
        )  # fmt: skip
    emit(summary, as_json=as_json)
