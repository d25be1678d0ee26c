"""The presets of ``sample`` and the function that changes single options of a preset."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

from minortom.api.arguments import number, one_of, whole_number
from minortom.api.choices import AllocationRule, Method, Objective, Preset, Switch
from minortom.errors import InputError
from minortom.genetic.options import GeneticOptions
from minortom.grid.spatial_split import SplitOptions
from minortom.sampling.coupled_search import CouplingOptions
from minortom.sampling.options import SampleOptions
from minortom.sampling.quotas import Allocation
from minortom.sampling.spread_parts import parse_spread

_PLAIN = GeneticOptions(
    coverage_weight=0, within_weight=0, generations=2500, population=10, crossover_rate=0.5,
    swap_rounds=0,
)  # fmt: skip
"""The paper's T, N_p and r_c (Section III-A); its mutation rate is printed illegibly there."""
_INDEPENDENT = CouplingOptions(coupling=False, passes=1)


def paper() -> tuple[GeneticOptions, CouplingOptions]:
    """Return Algorithm 2 as published: independent strata with 90 to 110 % of N_s tiles each."""
    return replace(_PLAIN, tolerance=0.1), _INDEPENDENT


def sample_options(
    *,
    method: Method = "genetic",
    per_stratum: int | None = None,
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
) -> SampleOptions:
    """Return the options of a preset, changed by the arguments that are given.

    The arguments are those of ``minortom.sample``. ``SampleOptions``, ``GeneticOptions`` and
    ``CouplingOptions`` document the values.

    Args:
        method: Method of selection.
        per_stratum: Tiles to choose in each stratum.
        tiles: Tiles to choose in total.
        allocation: How the strata share ``tiles``; None means ``equal``.
        stratify_by: Names of columns, as a sequence or separated by commas.
        min_distance_km: Minimum distance between any two tiles.
        reserves: Ranked reserve tiles in each stratum.
        split: Shares of training, validation and test, as numbers or as ``0.9,0.05,0.05``.
        split_block_km: Minimum side of a block of ground that goes to one split; None means 100.
        spread_over: Parts of the space in which the tiles are covered beside the ground: ``place``,
            columns, ``log:NAME``, each with a weight as ``NAME*0.5`` if it is not 1.
        spread_components: Principal components of each embedding column that count, or ``all``;
            None means 16.
        spread_weight: Weight of the coverage in this space; None means 1.
        preset: ``default`` is memetic and coupled for the objective ``entropy``; for the other
            objectives it is the plain genetic algorithm with the exact number of tiles.
            ``paper`` is Algorithm 2.
        objective: What the search maximises in each stratum.
        coverage_weight: Weight κ of the distance from a stratum's tiles to the nearest selected
            one; None keeps the preset's value, here and below.
        within_weight: Weight ν of the mean distance between the tiles of a stratum.
        coupling: Whether strata take each other's tiles into account, ``on`` or ``off``.
        generations: Generations in each stratum.
        population: Sets of tiles that compete.
        crossover_rate: Share of couples that exchange tiles.
        mutation_rate: Probability that a tile is replaced; ``auto`` means 1/N_s.
        tolerance: Allowed deviation from N_s, as a share of it.
        time_budget: Seconds after which the search stops.
        seed: Seed of all random numbers.

    Raises:
        InputError: If a value has the wrong type or is out of range, or two options contradict
            each other.
    """
    preset, objective = _word("preset", preset, Preset), _word("objective", objective, Objective)
    method = _word("method", method, Method)
    of_coupling = (
        {} if coupling is None else {"coupling": _word("coupling", coupling, Switch) == "on"}
    )
    of_genetic = _whole_numbers(
        {"generations": (generations, 1), "population": (population, 1)}
    ) | _numbers(
        {
            "coverage_weight": coverage_weight, "within_weight": within_weight,
            "crossover_rate": crossover_rate, "tolerance": tolerance,
        }
    )  # fmt: skip
    if mutation_rate is not None:
        of_genetic["mutation_rate"] = _rate(mutation_rate)
    named = [*of_coupling, *of_genetic]
    named += ["preset"] if preset != "default" else []
    named += ["objective"] if objective != "entropy" else []
    named += ["spread_weight"] if spread_weight is not None else []
    if method != "genetic" and named:
        shown = ", ".join(f"--{name.replace('_', '-')}" for name in named)
        raise InputError(f"{shown}: works with --method genetic only, found {method}")
    genetic, coupled = _start(preset, objective)
    return SampleOptions(
        **_whole_numbers({"per_stratum": (per_stratum, 1), "reserves": (reserves, 0)}),
        **_numbers(
            {"min_distance_km": min_distance_km, "time_budget_s": time_budget},
            names={"time_budget_s": "time_budget"},
        ),
        method=method,
        seed=whole_number("seed", seed, minimum=0),
        allocation=_allocation(tiles, allocation),
        stratify_by=_names(stratify_by),
        split=_split(split, split_block_km),
        spread=parse_spread(spread_over, components=spread_components, weight=spread_weight),
        genetic=replace(genetic, objective=objective, **of_genetic),
        coupling=replace(coupled, **of_coupling),
    )


def _start(preset: Preset, objective: Objective) -> tuple[GeneticOptions, CouplingOptions]:
    """Return the values of a preset."""
    if preset == "paper":
        return paper()
    if objective == "entropy":
        return GeneticOptions(), CouplingOptions()
    return _PLAIN, _INDEPENDENT


def _allocation(tiles: int | None, rule: AllocationRule | None) -> Allocation | None:
    if tiles is not None:
        total = whole_number("tiles", tiles, minimum=1)
        return Allocation(
            tiles=total, rule=_word("allocation", "equal" if rule is None else rule, AllocationRule)
        )
    if rule is not None:
        rule = _word("allocation", rule, AllocationRule)
        raise InputError(f"--allocation {rule} needs a total; give --tiles with it")
    return None


def _names(columns: str | Sequence[str] | None) -> tuple[str, ...]:
    if columns is None:
        return ()
    split = columns.split(",") if isinstance(columns, str) else columns
    names = list(split) if isinstance(split, Sequence) else []
    if not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise InputError(
            f"--stratify-by must be names of columns, separated by commas, found {columns!r}"
        )
    return tuple(name.strip() for name in names)


def _split(shares: str | Sequence[float] | None, block_km: float | None) -> SplitOptions | None:
    more = _numbers({"block_km": block_km}, names={"block_km": "split_block_km"})
    if shares is None:
        if block_km is not None:
            raise InputError("--split-block-km needs --split; give the shares of the splits too")
        return None
    if isinstance(shares, str):
        return SplitOptions.parse(shares, **more)
    if not isinstance(shares, Sequence) or len(shares) != 3:
        raise InputError(
            f"split must be three shares, of train, val and test, found {shares!r}; give for "
            "example (0.9, 0.05, 0.05)"
        )
    train, val, test = (number("split", share) for share in shares)
    return SplitOptions(shares=(train, val, test), **more)


def _rate(rate: str | float) -> float | None:
    """Return a mutation rate; None stands for 1/N_s."""
    if not isinstance(rate, str):
        return number("mutation_rate", rate)
    if rate == "auto":
        return None
    try:
        return float(rate)
    except ValueError:
        raise InputError(f"--mutation-rate must be a number or auto, found {rate}") from None


def _word(name: str, value: Any, choices: Any) -> Any:  # noqa: ANN401  (any Literal)
    """Return an option that must be one of the words of a ``Literal`` type."""
    return one_of(name, value, get_args(choices))


def _numbers(
    values: Mapping[str, float | None], *, names: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the numbers that are given; ``names`` has their names in error messages."""
    names = names or {}
    return {
        name: number(names.get(name, name), value)
        for name, value in values.items() if value is not None
    }  # fmt: skip


def _whole_numbers(values: Mapping[str, tuple[int | None, int]]) -> dict[str, Any]:
    """Return the whole numbers that are given; each comes with its minimum."""
    return {
        name: whole_number(name, value, minimum=minimum)
        for name, (value, minimum) in values.items() if value is not None
    }  # fmt: skip
