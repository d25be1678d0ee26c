"""Curate Major TOM satellite tiles by climate, land cover and place.

The names below are the Python API, one function a command. Each is imported when it is first
used, so that ``import minortom`` does not load numpy.
"""

from typing import TYPE_CHECKING

from minortom.api.lazy import lazy_names
from minortom.version import __version__ as __version__

if TYPE_CHECKING:
    from minortom.annotation.annotate import annotate as annotate
    from minortom.dataset.gallery import show as show
    from minortom.dataset.publish import publish as publish
    from minortom.dataset.verify import verify as verify
    from minortom.downloads.fetch import fetch as fetch
    from minortom.extraction.export import export as export
    from minortom.grid.area_cells import cells as cells
    from minortom.grid.point_cells import locate as locate
    from minortom.reporting.metrics import metrics as metrics
    from minortom.reporting.report import report as report
    from minortom.sampling.sample_tiles import sample as sample
    from minortom.synthetic.planet import demo as demo

__all__ = [
    "annotate",
    "cells",
    "demo",
    "export",
    "fetch",
    "locate",
    "metrics",
    "publish",
    "report",
    "sample",
    "show",
    "verify",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "annotate": "minortom.annotation.annotate",
        "cells": "minortom.grid.area_cells",
        "demo": "minortom.synthetic.planet",
        "export": "minortom.extraction.export",
        "fetch": "minortom.downloads.fetch",
        "locate": "minortom.grid.point_cells",
        "metrics": "minortom.reporting.metrics",
        "publish": "minortom.dataset.publish",
        "report": "minortom.reporting.report",
        "sample": "minortom.sampling.sample_tiles",
        "show": "minortom.dataset.gallery",
        "verify": "minortom.dataset.verify",
    },
)
