"""Executors for parallel work: processes, a Dask cluster, threads; numba compilation.

Layer: beside `io`, above the modules of the root.
"""

from typing import TYPE_CHECKING

from minortom.api.lazy import lazy_names

if TYPE_CHECKING:
    from minortom.engine.executors import EngineOptions as EngineOptions

__all__ = ["EngineOptions"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "EngineOptions": "minortom.engine.executors",
    },
)
