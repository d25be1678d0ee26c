"""Options of the commands that read a labelled set or GeoTIFFs."""

from pathlib import Path
from typing import Annotated

import typer

from csmoe_model.choices import IndexKind, Pooling
from csmoe_model.datasets.names import SetName, SplitBy

_IN_FILES = "the names in the files"

Data = Annotated[
    SetName,
    typer.Option(
        help="Labelled set: `shards`, a `folder` of GeoTIFFs with labels.csv, or a published set "
        "(docs/evaluate.md)."
    ),
]
Root = Annotated[
    Path,
    typer.Option(
        help="Folder of the set. For a set of GEO-Bench (m-…): the folder that contains its folder."
    ),
]
Label = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Shards only: column of classes with the labels, such as climate, stratum, or a "
        "further column of the export.",
        show_default="landcover",
    ),
]
Labels = Annotated[
    Path | None,
    typer.Option(
        help="Shards only: table with a label for each patch, from `minortom label`, in place of "
        "--label.",
        show_default="none",
    ),
]
SplitByOption = Annotated[
    SplitBy | None,
    typer.Option(
        help="Shards only: use the splits of the `shards`, or split by `blocks` of ground.",
        show_default="shards",
    ),
]
S2Bands = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help="Names of the Sentinel-2 bands in the GeoTIFFs, in order, such as B02,B03; - "
        "skips a band.",
        show_default=_IN_FILES,
    ),
]
S1Bands = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help="Names of the Sentinel-1 bands in the GeoTIFFs, in order, such as vv,vh; - "
        "skips a band.",
        show_default=_IN_FILES,
    ),
]
S2OffsetOption = Annotated[
    str,
    typer.Option(
        "--s2-offset",
        metavar="auto|NUMBER",
        help="Offset to subtract from Sentinel-2 values without offset tags, in reflectance × "
        "10,000; `auto` takes it from the processing baseline in the name of the product.",
    ),
]
PoolingOption = Annotated[
    Pooling,
    typer.Option(help="Feature of an image: [CLS] token, mean of the patch tokens, or both."),
]
Cache = Annotated[
    Path | None,
    typer.Option(
        help="Folder of cached features, for other runs on the same set.", show_default="no cache"
    ),
]
Index = Annotated[
    IndexKind,
    typer.Option(
        help="Compare with all vectors, or with those in the nearest cells of an inverted file, "
        "which is faster for millions of vectors."
    ),
]
