"""``minortom fetch``: download maps into the user's cache."""

from typing import Annotated

import typer

from minortom_cli.console import Box, Json, RegionFile, RegionLayer, emit, progress, say


def fetch(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            help="Data sets, such as koppen-geiger-2023 or worldcover-2021, or paths of manifests "
            "(.yaml).",
        ),
    ],
    *,
    region: RegionFile = None,
    region_layer: RegionLayer = None,
    bbox: Box = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Download all tiles of tiled data sets.")
    ] = False,
    workers: Annotated[
        int, typer.Option(min=1, help="Number of simultaneous downloads of tiles.")
    ] = 8,
    as_json: Json = False,
) -> None:
    """Download maps, or the tiles of an area from tiled maps, into the cache (MINORTOM_CACHE)."""
    from minortom.downloads.fetch import fetch

    with progress("fetch") as advance:
        result = fetch(
            names, region=region, region_layer=region_layer, bbox=bbox,
            everything=everything, workers=workers,
            on_progress=advance,
            on_map=lambda found: say(f"{found.credit}\nPlease cite: {found.citation}"),
        )  # fmt: skip
    emit(result, as_json=as_json)
