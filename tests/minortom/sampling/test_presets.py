import pytest

from minortom.errors import InputError
from minortom.sampling.presets import sample_options


def test_the_papers_preset_is_algorithm_2():
    options = sample_options(preset="paper")
    genetic = options.genetic

    assert (genetic.generations, genetic.population, genetic.crossover_rate) == (2500, 10, 0.5)
    assert (genetic.tolerance, genetic.tries, genetic.objective) == (0.1, 0, "entropy")
    assert (options.coupling.spread, options.coupling.density, options.default_size) == (0, 0, 100)


def test_the_default_is_coupled_memetic_and_exact():
    options = sample_options()

    assert options.genetic.tolerance == 0
    assert options.genetic.tries > 0
    assert options.coupling.spread == 0.5


def test_another_objective_has_the_plain_algorithm_with_exact_numbers():
    options = sample_options(objective="min-distance")

    assert (options.genetic.tries, options.genetic.tolerance) == (0, 0)
    assert options.coupling.spread == options.coupling.density == 0


def test_given_options_change_the_preset():
    options = sample_options(preset="paper", tolerance=0, spread=1, mutation_rate="0.25")

    assert (options.genetic.tolerance, options.genetic.mutation_rate) == (0, 0.25)
    assert options.coupling.spread == 1
    assert sample_options(mutation_rate="auto").genetic.mutation_rate is None


@pytest.mark.parametrize("wrong", [{"preset": "best"}, {"objective": "best"}])
def test_an_unknown_name_is_refused(wrong):
    with pytest.raises(InputError, match="must be one of .*, found 'best'"):
        sample_options(**wrong)
