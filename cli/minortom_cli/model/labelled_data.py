"""Options of the commands that read a labelled set or name bands of GeoTIFFs."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from csmoe_model.datasets.names import LabelColumn, SetName, SplitBy

_BANDS = "Of the bands in a user's files, such as B02,B03, where these have no names."

Data = Annotated[
    SetName,
    typer.Option(
        help="Shards; a folder of GeoTIFFs with labels.csv; or a published set (docs/evaluate.md)."
    ),
]
Root = Annotated[
    Path, typer.Option(help="Folder with the set; of GEO-Bench (m-…) that with the set's folder.")
]
Label = Annotated[
    LabelColumn | None,
    typer.Option(help="Column of shards that labels are taken from; `landcover` by default."),
]
SplitByOption = Annotated[
    SplitBy | None,
    typer.Option(help="Splits of shards: their own, which is the default, or blocks of ground."),
]
S2Bands = Annotated[str | None, typer.Option(metavar="NAMES", help=_BANDS)]
S1Bands = Annotated[str | None, typer.Option(metavar="NAMES", help=_BANDS)]
PoolingOption = Annotated[
    Literal["cls", "mean", "both"], typer.Option(help="[CLS], mean of the tokens, or both.")
]
Cache = Annotated[
    Path | None,
    typer.Option(help="Folder to keep features in, for other runs on the same set."),
]
Index = Annotated[
    Literal["exact", "ivf"],
    typer.Option(help="Compare all vectors, or those of the nearest cells: for millions."),
]
