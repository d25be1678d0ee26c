"""The public function ``sample``. Light: a time budget includes the heavy imports inside it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from minortom.api.choices import AllocationRule, Engine, Method, Objective, Preset, Switch
from minortom.progress import OnProgress, ignore_progress

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd
    import pyarrow as pa

    from minortom.sampling.summary import SampleResult


def sample(
    annotated: "str | Path | pa.Table | gpd.GeoDataFrame",
    *,
    out: str | Path | None = None,
    method: Method = "genetic",
    keep: "str | Path | pa.Table | pd.DataFrame | Sequence[str] | None" = None,
    per_stratum: int | None = None,
    quota: "str | Path | pa.Table | pd.DataFrame | Mapping[str, int] | None" = None,
    tiles: int | None = None,
    allocation: AllocationRule | None = None,
    stratify_by: str | Sequence[str] | None = None,
    min_distance_km: float | None = None,
    reserves: int = 0,
    split: str | Sequence[float] | None = None,
    split_block_km: float | None = None,
    spread_over: str | Sequence[str] | None = None,
    spread_components: str | int | None = None,
    spread_weight: float | None = None,
    preset: Preset = "default",
    objective: Objective = "entropy",
    coverage_weight: float | None = None,
    within_weight: float | None = None,
    coupling: Switch | None = None,
    generations: int | None = None,
    population: int | None = None,
    crossover_rate: float | None = None,
    mutation_rate: str | float | None = None,
    tolerance: float | None = None,
    time_budget: float | None = None,
    seed: int = 0,
    engine: Engine = "local",
    scheduler: str | None = None,
    workers: int | None = None,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> "SampleResult":
    """Choose tiles that are spread evenly over each climate and land-cover stratum.

    Args:
        annotated: The output of ``annotate``: a path, a ``pyarrow.Table`` or a ``GeoDataFrame``
            with ``grid_cell``, ``lat`` and ``lon`` (degrees) and ``stratum``, one row a tile.
        out: GeoParquet file for the selection. None writes no file: the result has the table.
        method: ``genetic`` searches for the best spread; the others are baselines.
        keep: Cells that must be selected: a text, CSV or Parquet file, a table with
            ``grid_cell``, or a sequence of names.
        per_stratum: Tiles to choose in each stratum; None means 100.
        quota: Tiles to choose in single strata: a CSV or Parquet file, a table with ``stratum``
            and ``tiles``, or a mapping.
        tiles: Total number of tiles to choose, in place of ``per_stratum`` and ``quota``.
        allocation: How the strata share ``tiles``: ``equal`` (None too), in proportion to their
            tiles, or to the square root of their tiles.
        stratify_by: Columns that form the strata, as a sequence or separated by commas; None
            means the column ``stratum``.
        min_distance_km: Minimum distance between any two tiles in km; None means no minimum.
        reserves: Ranked reserve tiles in each stratum, which replace unusable tiles.
        split: Shares of train, val and test in blocks of ground, as ``(0.9, 0.05, 0.05)`` or
            ``"0.9,0.05,0.05"``; None makes no splits.
        split_block_km: Minimum side of these blocks in km; None means 100.
        spread_over: Space in which each stratum's tiles are covered beside the ground, as a
            sequence or separated by commas: ``place``, columns of numbers or embeddings,
            ``log:NAME`` for a logarithm, ``NAME*0.5`` for a weight; None means the ground alone.
        spread_components: Principal components of each embedding column that count, or ``all``;
            None means 16.
        spread_weight: Weight of the coverage in this space; None means 1.
        preset: Start values of the options below; ``paper`` is Algorithm 2 of the CSMoE paper.
        objective: Score that the search maximises in each stratum.
        coverage_weight: Weight κ of the distance from each stratum's tiles to the nearest
            selected one; None keeps the preset's value, here and below.
        within_weight: Weight ν of the mean distance between the selected tiles of a stratum.
        coupling: Whether strata take each other's selected tiles into account, ``on`` or ``off``.
        generations: Generations in each stratum.
        population: Sets of tiles that compete.
        crossover_rate: Share of couples that exchange tiles, 0 to 1.
        mutation_rate: Probability that a tile is replaced, 0 to 1; ``auto`` means 1/N_s.
        tolerance: Allowed deviation from N_s, as a share of it.
        time_budget: Seconds from this call until the search stops with the best selection found
            so far; None means no limit.
        seed: Seed of all random numbers; the same seed gives the same tiles.
        engine: Where the strata are searched: processes on this machine, or a Dask cluster.
        scheduler: Address of a running Dask scheduler; None starts a cluster on this machine.
        workers: Processes; None means all cores. The result does not depend on it.
        overwrite: Whether to replace a file with another provenance.
        on_progress: Called with (searches done, all searches).

    Returns:
        The numbers of the selection, and the selection itself as ``.table`` (with the columns
        and the schema metadata of the file) and ``.to_geopandas()``.

    Raises:
        InputError: If an input or an option cannot be used.
        OutputExistsError: If ``out`` exists with another provenance and ``overwrite`` is false.

    With more than one worker, guard a script with ``if __name__ == "__main__":``, since the
    worker processes import it.
    """
    started = datetime.now(UTC)  # before the heavy imports, which the time budget includes
    from minortom.api.arguments import path_of
    from minortom.engine.executors import EngineOptions
    from minortom.sampling.presets import sample_options
    from minortom.sampling.selection_file import make_selection

    options = sample_options(
        method=method, per_stratum=per_stratum, tiles=tiles, allocation=allocation,
        stratify_by=stratify_by, min_distance_km=min_distance_km, reserves=reserves, split=split,
        split_block_km=split_block_km, spread_over=spread_over,
        spread_components=spread_components, spread_weight=spread_weight, preset=preset,
        objective=objective,
        coverage_weight=coverage_weight, within_weight=within_weight, coupling=coupling,
        generations=generations, population=population, crossover_rate=crossover_rate,
        mutation_rate=mutation_rate, tolerance=tolerance, time_budget=time_budget, seed=seed,
    )  # fmt: skip
    return make_selection(
        annotated, None if out is None else path_of("out", out), options=options, keep=keep,
        quota=quota, engine=EngineOptions(engine=engine, scheduler=scheduler, workers=workers),
        started=started, overwrite=overwrite, on_progress=on_progress,
    )  # fmt: skip
