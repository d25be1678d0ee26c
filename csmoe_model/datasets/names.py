"""Names of the labelled sets and of the options for opening them, as `--data` and others take them.

Without imports, so that the command line lists the names without loading numpy.
"""

from typing import Literal

BigEarthNetName = Literal["bigearthnet-v2", "benv2-14k", "benv2-243k"]
GeoBenchName = Literal[
    "m-bigearthnet", "m-brick-kiln", "m-so2sat", "m-eurosat", "m-cashew-plant", "m-SA-crop-type"
]
PublishedName = Literal["eurosat", "so2sat", BigEarthNetName, GeoBenchName]
SetName = Literal["shards", "folder", PublishedName]
SHARDS: SetName = "shards"
"""Name of a set of shards."""
SplitBy = Literal["shards", "blocks"]
"""How shards are split: as they are, or by blocks of ground."""
