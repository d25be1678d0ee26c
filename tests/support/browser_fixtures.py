"""A browser for the tests of pages."""

import pytest
from chromium import find_chromium, opened_browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    program = find_chromium()
    if program is None:
        pytest.skip("no Chromium on the PATH to look at pages with")
    with opened_browser(program, tmp_path_factory.mktemp("profile")) as page:
        yield page
