"""Values of options with a few choices. Light: the command line reads them for `--help`."""

from typing import Literal

Engine = Literal["local", "dask"]
"""Processes on this machine, or a Dask cluster."""

MapMode = Literal["center", "majority", "fractions"]
"""Pixels that the class of a cell comes from."""

VariableMode = Literal["center", "mean"]
"""Pixels that the value of a cell in a continuous raster comes from."""

Method = Literal["genetic", "random", "farthest-point", "grts", "k-means"]
"""Genetic search, or a baseline without a search."""

Preset = Literal["default", "paper"]
"""Start values of the search; ``paper`` is Algorithm 2 of the CSMoE paper."""

Objective = Literal[
    "entropy", "histogram-entropy", "distance-entropy", "mean-distance", "min-distance"
]
"""Score that the search maximises in each stratum."""

AllocationRule = Literal["equal", "proportional", "sqrt"]
"""A stratum's weight in a total: 1, the number of its tiles, or the square root of that number."""

Switch = Literal["on", "off"]
"""An option that a preset sets, so that neither value is the absence of the option."""

MissingCells = Literal["unmapped", "drop"]
"""Cells that a table of cells lacks: they stay without a value, or are dropped."""

Metric = Literal["spherical", "euclidean"]
"""Distance of embeddings: by the angle alone (all are scaled to length 1), or as they are."""

CellRows = Literal["mean", "vote"]
"""Several embeddings of a cell: their mean is clustered, or each of them and the most win."""
