import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from repository import REPOSITORY
from web_server import WebServer, serving

import csmoe_model  # noqa: F401  # sets how OpenMP waits, before any test loads torch
from minortom.remote import http

# A shell starts background processes with Ctrl-C ignored, and child processes inherit this; the
# tests of interrupts need the behaviour of a terminal.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real files that MINORTOM_DATA names."""
    folder = os.environ.get("MINORTOM_DATA")
    if not folder:
        pytest.skip("MINORTOM_DATA is not set: no real files to test with")
    return Path(folder).resolve()


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder that holds the packages, docs/ and benchmarks/."""
    return REPOSITORY


@pytest.fixture(scope="session")
def exactextract() -> ModuleType:
    """The package, where it has a wheel: not on Linux aarch64."""
    pytest.importorskip("exactextract.raster")
    return pytest.importorskip("exactextract")


@pytest.fixture
def web_server(tmp_path, monkeypatch) -> Iterator[WebServer]:
    """A web server over ``tmp_path / "web"`` with short waits before retries."""
    monkeypatch.setattr(http, "RETRY_POLICY", replace(http.RETRY_POLICY, backoff_s=0.001))
    monkeypatch.setenv("MINORTOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MINORTOM_MIRROR", raising=False)
    (tmp_path / "web").mkdir()
    with serving(tmp_path / "web") as server:
        yield server


@pytest.fixture(autouse=True)
def _no_heartbeat(monkeypatch):
    """Print no heartbeat: how long a test takes must not change what a command prints."""
    monkeypatch.setattr("minortom_cli.terminal.heartbeat.WAITS_S", (3600.0,))
