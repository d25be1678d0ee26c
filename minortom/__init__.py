"""Curate Major TOM satellite tiles by climate, land cover and place.

The names below are the Python API: one function a command, and the packages with public names of
their own. Each is imported when it is first used, so that ``import minortom`` does not load numpy.
"""

from typing import TYPE_CHECKING

from minortom.api.lazy import lazy_names
from minortom.version import __version__ as __version__

if TYPE_CHECKING:
    from minortom import engine as engine
    from minortom import grid as grid
    from minortom import sampling as sampling
    from minortom import shards as shards
    from minortom import synthetic as synthetic
    from minortom.annotation.annotate import annotate as annotate
    from minortom.clustering.cluster import cluster as cluster
    from minortom.dataset.gallery import show as show
    from minortom.dataset.label import label as label
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
    "cluster",
    "demo",
    "engine",
    "export",
    "fetch",
    "grid",
    "label",
    "locate",
    "metrics",
    "publish",
    "report",
    "sample",
    "sampling",
    "shards",
    "show",
    "synthetic",
    "verify",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "annotate": "minortom.annotation.annotate",
        "cells": "minortom.grid.area_cells",
        "cluster": "minortom.clustering.cluster",
        "demo": "minortom.synthetic.planet",
        "engine": "minortom.engine",
        "export": "minortom.extraction.export",
        "fetch": "minortom.downloads.fetch",
        "grid": "minortom.grid",
        "label": "minortom.dataset.label",
        "locate": "minortom.grid.point_cells",
        "metrics": "minortom.reporting.metrics",
        "publish": "minortom.dataset.publish",
        "report": "minortom.reporting.report",
        "sample": "minortom.sampling.sample_tiles",
        "sampling": "minortom.sampling",
        "shards": "minortom.shards",
        "show": "minortom.dataset.gallery",
        "synthetic": "minortom.synthetic",
        "verify": "minortom.dataset.verify",
    },
)
