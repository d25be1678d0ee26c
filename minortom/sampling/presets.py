"""From the few options that a user gives to all that the sampler needs.

``options_for`` is long since it names each option that a user may give, and says what it is.
"""

from dataclasses import replace
from typing import Any, Literal, get_args

from minortom.errors import InputError
from minortom.genetic.objectives import CODES, Objective
from minortom.genetic.options import GeneticOptions
from minortom.grid.spatial_split import SplitOptions
from minortom.sampling.coupled_search import CouplingOptions
from minortom.sampling.options import Method, SampleOptions
from minortom.sampling.quotas import Allocation, Rule

Preset = Literal["default", "paper"]

_PLAIN = GeneticOptions(generations=2500, population=10, crossover_rate=0.5, tries=0)
"""The paper's T, N_p and r_c (Section III-A); its mutation rate is printed illegibly there."""
_INDEPENDENT = CouplingOptions(spread=0, density=0, passes=1)


def paper() -> tuple[GeneticOptions, CouplingOptions]:
    """Give Algorithm 2 as published: independent strata, 90 to 110 % of N_s tiles in each."""
    return replace(_PLAIN, tolerance=0.1), _INDEPENDENT


def options_for(
    *,
    per_stratum: int | None = None,
    tiles: int | None = None,
    allocation: Rule | None = None,
    stratify_by: str | None = None,
    min_distance_km: float | None = None,
    reserves: int = 0,
    split: str | None = None,
    split_block_km: float | None = None,
    time_budget_s: float | None = None,
    method: Method = "genetic",
    seed: int = 0,
    preset: Preset = "default",
    objective: Objective = "entropy",
    spread: float | None = None,
    density: float | None = None,
    generations: int | None = None,
    population: int | None = None,
    crossover_rate: float | None = None,
    mutation_rate: str | None = None,
    tolerance: float | None = None,
) -> SampleOptions:
    """Start from a preset and change what was given.

    Args:
        per_stratum: Tiles to choose in each stratum; see ``SampleOptions``, here and below.
        tiles: Tiles to choose in all.
        allocation: How strata share ``tiles``; None is ``equal``.
        stratify_by: Names of columns, with commas between.
        min_distance_km: Least distance between any two tiles.
        reserves: Ranked further tiles of each stratum.
        split: Shares of training, validation and test, as ``0.9,0.05,0.05``.
        split_block_km: Least side of a block of ground that goes to one split; None is 100.
        time_budget_s: Seconds after which the search ends.
        method: How to choose.
        seed: Same seed, same tiles.
        preset: ``default`` is memetic and coupled for the objective ``entropy``, and the plain
            genetic algorithm, exact in number, for the others; ``paper`` is Algorithm 2.
        objective: What the search makes highest.
        spread: See ``CouplingOptions``; None leaves the preset's value, here and below.
        density: See ``CouplingOptions``.
        generations: See ``GeneticOptions``.
        population: See ``GeneticOptions``.
        crossover_rate: See ``GeneticOptions``.
        mutation_rate: A number, or ``auto`` for 1/N_s.
        tolerance: See ``GeneticOptions``.

    Raises:
        InputError: If a value is out of range, or does not go with the others.
    """
    genetic, coupling = _start(preset, objective)
    of_coupling = _given({"spread": spread, "density": density})
    of_genetic = _given(
        {
            "generations": generations, "population": population, "tolerance": tolerance,
            "crossover_rate": crossover_rate,
        }
    )  # fmt: skip
    named = [*of_coupling, *of_genetic, *_given({"mutation_rate": mutation_rate})]
    named += ["preset"] if preset != "default" else []
    named += ["objective"] if objective != "entropy" else []
    if method != "genetic" and named:
        shown = ", ".join(f"--{name.replace('_', '-')}" for name in named)
        raise InputError(f"{shown}: for --method genetic alone, not {method}")
    rate = _rate(mutation_rate) if mutation_rate else genetic.mutation_rate
    return SampleOptions(
        per_stratum=per_stratum,
        allocation=_allocation(tiles, allocation),
        stratify_by=_names(stratify_by),
        min_distance_km=min_distance_km,
        reserves=reserves,
        split=_split(split, split_block_km),
        time_budget_s=time_budget_s,
        method=method,
        seed=seed,
        genetic=replace(genetic, objective=objective, mutation_rate=rate, **of_genetic),
        coupling=replace(coupling, **of_coupling),
    )


def _start(preset: Preset, objective: Objective) -> tuple[GeneticOptions, CouplingOptions]:
    """Give what a preset begins with."""
    if preset not in get_args(Preset):
        raise InputError(f"--preset {preset}: wanted {' or '.join(get_args(Preset))}")
    if objective not in CODES:
        raise InputError(f"--objective {objective}: wanted {', '.join(CODES)}")
    if preset == "paper":
        return paper()
    if objective == "entropy":
        return GeneticOptions(), CouplingOptions()
    return _PLAIN, _INDEPENDENT


def _allocation(tiles: int | None, rule: Rule | None) -> Allocation | None:
    if tiles is not None:
        return Allocation(tiles=tiles, rule=rule or "equal")
    if rule is not None:
        raise InputError(f"--allocation {rule} shares out a total; give --tiles with it")
    return None


def _names(text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise InputError(f"--stratify-by {text!r}: wanted names of columns, with commas between")
    return names


def _split(shares: str | None, block_km: float | None) -> SplitOptions | None:
    if shares is not None:
        return SplitOptions.parse(shares, **_given({"block_km": block_km}))
    if block_km is not None:
        raise InputError("--split-block-km is the blocks' of --split; give --split with it")
    return None


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _rate(text: str) -> float | None:
    if text == "auto":
        return None
    try:
        return float(text)
    except ValueError:
        raise InputError(f"--mutation-rate {text}: wanted a number or auto") from None
