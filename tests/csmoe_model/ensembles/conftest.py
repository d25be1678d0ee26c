"""Fixtures of the tests of ensembles."""

import pytest
from ensemble_fixtures import shrink_archs, two_tasks


@pytest.fixture(scope="module")
def small():
    with pytest.MonkeyPatch.context() as patch:
        shrink_archs(patch)
        yield


@pytest.fixture(scope="module")
def data(small):  # noqa: ARG001  # the set is encoded by small extractors
    return two_tasks()
