"""``minortom sample``: choose tiles that are spread over each stratum."""

from pathlib import Path
from typing import Annotated

import typer

import minortom
from minortom.api import choices
from minortom_cli.console import Engine, Json, Overwrite, Scheduler, Seed, Workers, emit, progress
from minortom_cli.help_text.option_panels import panel

_number = panel("Number of tiles in each stratum")
_place = panel("Distances, reserves, splits")
_space = panel("Place and columns")
_search = panel("Genetic search")

Keep = Annotated[
    Path | None,
    typer.Option(
        help="Cells that must be selected: a text file, or CSV or Parquet with grid_cell.",
        show_default="none",
    ),
]
PerStratum = Annotated[
    int | None, _number("Tiles to choose in each stratum.", "100; 0 with --quota", minimum=1)
]
Quota = Annotated[
    Path | None,
    _number("Tiles to choose in single strata: CSV or Parquet with stratum and tiles.", "none"),
]
Total = Annotated[int | None, _number("Total number of tiles to choose.", "no total", minimum=1)]
Allocation = Annotated[
    choices.AllocationRule | None,
    _number(
        "How strata share --tiles: equally, by their number of tiles, or by its square root.",
        "equal",
    ),
]
StratifyBy = Annotated[
    str | None,
    _number("Columns that form the strata, such as climate,ecoregion.", "the column stratum"),
]
MinDistance = Annotated[
    float | None, _place("Minimum distance between any two tiles, in km.", "no minimum")
]
Reserves = Annotated[
    int, _place("Ranked reserve tiles in each stratum, which replace unusable tiles.", minimum=0)
]
Split = Annotated[
    str | None,
    _place("Shares of train, val and test in blocks of ground, as 0.9,0.05,0.05.", "no splits"),
]
SplitBlock = Annotated[float | None, _place("Minimum side of these blocks, in km.", "100")]
SpreadOver = Annotated[
    str | None,
    _space(
        "Space in which each stratum's tiles are covered beside the ground: place, columns of "
        "numbers or embeddings, log:NAME for a logarithm, NAME*0.5 for a weight, with commas.",
        "the ground alone",
    ),
]
SpreadComponents = Annotated[
    str | None,
    _space("Principal components of each embedding column that count, or all.", "16"),
]
SpreadWeight = Annotated[
    float | None, _space("Weight of the coverage in this space, beside κ of the ground.", "1")
]
Preset = Annotated[
    choices.Preset,
    _search("Start values of the options below; paper is Algorithm 2 of the CSMoE paper."),
]
Objective = Annotated[
    choices.Objective,
    _search("Score that the search maximises in each stratum."),
]
CoverageWeight = Annotated[
    float | None,
    _search(
        "Weight κ of the distance from each stratum's tiles to the nearest selected one.",
        "1.75; paper: 0",
    ),
]
WithinWeight = Annotated[
    float | None,
    _search(
        "Weight ν of the mean distance between the selected tiles of a stratum.", "0.2; paper: 0"
    ),
]
Coupling = Annotated[
    choices.Switch | None,
    _search("Whether strata take each other's selected tiles into account.", "on; paper: off"),
]
Generations = Annotated[int | None, _search("Generations in each search.", "1; paper: 2500")]
Population = Annotated[int | None, _search("Sets of tiles that compete.", "1; paper: 10")]
CrossoverRate = Annotated[
    float | None, _search("Share of couples that exchange tiles, 0 to 1.", "0.5")
]
MutationRate = Annotated[
    str | None,
    _search("Probability that a tile is replaced, 0 to 1, or auto for 1/N_s.", "auto"),
]
Tolerance = Annotated[
    float | None, _search("Allowed deviation from N_s, as a share of it.", "0; paper: 0.1")
]
TimeBudget = Annotated[
    float | None,
    _search("Seconds until the search stops with the best selection found so far.", "no limit"),
]


def sample(
    annotated: Annotated[Path, typer.Argument(help="Tiles with their strata, from `annotate`.")],
    *,
    out: Annotated[Path, typer.Option(help="GeoParquet file for the selection.")],
    method: Annotated[
        choices.Method,
        typer.Option(help="Genetic search for the best spread, or a baseline."),
    ] = "genetic",
    keep: Keep = None,
    per_stratum: PerStratum = None,
    quota: Quota = None,
    tiles: Total = None,
    allocation: Allocation = None,
    stratify_by: StratifyBy = None,
    min_distance_km: MinDistance = None,
    reserves: Reserves = 0,
    split: Split = None,
    split_block_km: SplitBlock = None,
    spread_over: SpreadOver = None,
    spread_components: SpreadComponents = None,
    spread_weight: SpreadWeight = None,
    preset: Preset = "default",
    objective: Objective = "entropy",
    coverage_weight: CoverageWeight = None,
    within_weight: WithinWeight = None,
    coupling: Coupling = None,
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

    If a search is interrupted, the same command resumes it.
    """
    with progress("strata") as advance:
        result = minortom.sample(
            annotated, out=out, method=method, keep=keep, per_stratum=per_stratum, quota=quota,
            tiles=tiles, allocation=allocation, stratify_by=stratify_by,
            min_distance_km=min_distance_km, reserves=reserves, split=split,
            split_block_km=split_block_km, spread_over=spread_over,
            spread_components=spread_components, spread_weight=spread_weight, preset=preset,
            objective=objective,
            coverage_weight=coverage_weight, within_weight=within_weight, coupling=coupling,
            generations=generations, population=population, crossover_rate=crossover_rate,
            mutation_rate=mutation_rate, tolerance=tolerance, time_budget=time_budget, seed=seed,
            engine=engine, scheduler=scheduler, workers=workers, overwrite=overwrite,
            on_progress=advance,
        )  # fmt: skip
    emit(result, as_json=as_json)
