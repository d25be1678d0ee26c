"""``minortom label``: majority class of a map inside each patch."""

from pathlib import Path
from typing import Annotated

import typer

from minortom_cli.console import Json, Overwrite, Workers, emit, progress


def label(
    shards: Annotated[Path, typer.Argument(help="Folder of shards, from `minortom export`.")],
    *,
    map: Annotated[  # noqa: A002  (the name of the option)
        str, typer.Option(help="Map of classes: a raster, a folder of tiles, or a NAME.")
    ],
    out: Annotated[Path, typer.Option(help="GeoParquet file for the labels.")],
    legend: Annotated[
        str | None,
        typer.Option(
            help="Legend of a raster: its NAME, as for `annotate`, or a YAML file.",
            show_default="worldcover",
        ),
    ] = None,
    workers: Workers = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Label each patch with the majority class of a map inside it, and the share of this class."""
    # Imported here so that `minortom --help` does not load rasterio.
    from minortom.dataset.label import label as run

    with progress("patches") as advance:
        result = run(
            shards, map=map, out=out, legend=legend, workers=workers, overwrite=overwrite,
            on_progress=advance,
            on_fetch=lambda done, total: advance(done, total, "bytes downloaded"),
        )  # fmt: skip
    emit(result, as_json=as_json)
