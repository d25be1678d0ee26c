"""`minortom sample`: from strata to the selection (Algorithm 2).

Layer: with `annotation` and `synthetic`, above `genetic`.
"""

from typing import TYPE_CHECKING

from minortom.api.lazy import lazy_names

if TYPE_CHECKING:
    from minortom.sampling.options import SampleOptions as SampleOptions
    from minortom.sampling.presets import sample_options as sample_options
    from minortom.sampling.sample_tiles import sample as sample
    from minortom.sampling.selection import Selection as Selection
    from minortom.sampling.selection import select as select
    from minortom.sampling.summary import SampleResult as SampleResult

__all__ = ["SampleOptions", "SampleResult", "Selection", "sample", "sample_options", "select"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "SampleOptions": "minortom.sampling.options",
        "SampleResult": "minortom.sampling.summary",
        "Selection": "minortom.sampling.selection",
        "sample": "minortom.sampling.sample_tiles",
        "sample_options": "minortom.sampling.presets",
        "select": "minortom.sampling.selection",
    },
)
