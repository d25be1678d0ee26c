"""`minortom sample`: strata to selection.parquet (Algorithm 2).

Layer: with `annotation` and `synthetic`, above `genetic`.
"""

from typing import TYPE_CHECKING

from minortom.lazy import lazy_names

if TYPE_CHECKING:
    from minortom.sampling.presets import options_for as options_for
    from minortom.sampling.selection import sample_file as sample_file

__all__ = ["options_for", "sample_file"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "options_for": "minortom.sampling.presets",
        "sample_file": "minortom.sampling.selection",
    },
)
