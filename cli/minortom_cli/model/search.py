"""The command `csmoe search`."""

from pathlib import Path
from typing import Annotated

import typer

from csmoe_model.choices import SensorChoice
from minortom_cli.console import Json, Overwrite, emit
from minortom_cli.model.exclusion_options import ExcludeKm, IncludeOwnCell
from minortom_cli.model.labelled_data import Index, S1Bands, S2Bands, S2OffsetOption


def search(
    embeddings: Annotated[Path, typer.Argument(help="GeoParquet file from `csmoe embed`.")],
    *,
    shards: Annotated[
        Path, typer.Option(help="Folder of the shards that the embeddings were made from.")
    ],
    html: Annotated[Path, typer.Option(help="Page to write.")],
    image: Annotated[
        list[Path] | None,
        typer.Option(
            help="GeoTIFF to search for. Give the option twice for two files: Sentinel-2, then "
            "Sentinel-1.",
            show_default="none",
        ),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER|CELL:ROW:COL",
            help="Patch of the shards to search for, instead of an image: its number, from 0, or "
            "its cell, row and column.",
            show_default="none",
        ),
    ] = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(help="With --image: model that made the embeddings.", show_default="none"),
    ] = None,
    k: Annotated[int, typer.Option(min=1, help="Patches to find, at most 1,000.")] = 10,
    sensor: Annotated[SensorChoice, typer.Option(help="Sensor of the query's vector.")] = "s2",
    against: Annotated[
        SensorChoice | None,
        typer.Option(help="Sensor of the vectors to search.", show_default="as --sensor"),
    ] = None,
    index: Index = "exact",
    exclude_km: ExcludeKm = None,
    include_own_cell: IncludeOwnCell = False,
    s2_bands: S2Bands = None,
    s1_bands: S1Bands = None,
    s2_offset: S2OffsetOption = "auto",
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Find the patches nearest to an image or a patch, and show them on a page."""  # fmt: skip
    # Imported here so that `csmoe --help` does not load torch.
    from csmoe_model.retrieval.search import search as run

    result = run(
        embeddings, shards=shards, html=html, image=image, like=like, checkpoint=checkpoint, k=k,
        sensor=sensor, against=against, index=index, exclude_km=exclude_km,
        include_own_cell=include_own_cell, s2_bands=s2_bands, s1_bands=s1_bands,
        s2_offset=s2_offset, overwrite=overwrite,
    )  # fmt: skip
    emit(result, as_json=as_json)
