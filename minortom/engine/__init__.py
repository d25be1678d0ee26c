"""Run work in processes, on a Dask cluster, in threads; compile kernels.

Layer: with `io`, above the root modules.
"""

from typing import TYPE_CHECKING

from minortom.lazy import lazy_names

if TYPE_CHECKING:
    from minortom.engine.executors import EngineOptions as EngineOptions

__all__ = ["EngineOptions"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "EngineOptions": "minortom.engine.executors",
    },
)
