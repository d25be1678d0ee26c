import pytest

from minortom.errors import InputError
from minortom.sampling.presets import sample_options


def test_the_papers_preset_is_algorithm_2():
    options = sample_options(preset="paper")
    genetic = options.genetic

    assert (genetic.generations, genetic.population, genetic.crossover_rate) == (2500, 10, 0.5)
    assert (genetic.tolerance, genetic.swap_rounds, genetic.objective) == (0.1, 0, "entropy")
    assert (genetic.coverage_weight, genetic.within_weight) == (0, 0)
    assert (options.coupling.coupling, options.default_size) == (False, 100)


def test_the_default_is_coupled_exact_and_improved_by_swaps():
    options = sample_options()

    assert options.genetic.tolerance == 0
    assert options.genetic.swap_rounds > 0
    assert options.genetic.coverage_weight > 0
    assert options.coupling.coupling


def test_another_objective_has_the_plain_algorithm_with_exact_numbers():
    options = sample_options(objective="min-distance")

    assert (options.genetic.swap_rounds, options.genetic.tolerance) == (0, 0)
    assert options.genetic.coverage_weight == options.genetic.within_weight == 0
    assert not options.coupling.coupling


def test_given_options_change_the_preset():
    options = sample_options(
        preset="paper", tolerance=0, coupling="on", coverage_weight=1, mutation_rate="0.25"
    )

    assert (options.genetic.tolerance, options.genetic.mutation_rate) == (0, 0.25)
    assert (options.genetic.coverage_weight, options.coupling.coupling) == (1, True)
    assert sample_options(mutation_rate="auto").genetic.mutation_rate is None


def test_the_default_of_each_option_may_be_given():
    genetic = sample_options().genetic
    names = (
        "generations", "population", "crossover_rate", "tolerance", "coverage_weight",
        "within_weight",
    )  # fmt: skip

    given = sample_options(**{name: getattr(genetic, name) for name in names})

    assert given == sample_options()


@pytest.mark.parametrize("wrong", [{"preset": "best"}, {"objective": "best"}])
def test_an_unknown_name_is_refused(wrong):
    with pytest.raises(InputError, match="must be one of .*, found 'best'"):
        sample_options(**wrong)
