"""``minortom fetch``: maps -> the user's cache, checked."""

from typing import Annotated

import typer

from minortom_cli.console import Box, Json, RegionFile, emit, progress, say


def fetch(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            help="Data sets, such as koppen-geiger-2023 or worldcover-2021; or manifests (.yaml).",
        ),
    ],
    region: RegionFile = None,
    bbox: Box = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Fetch all tiles of data sets that are in tiles.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="Tiles to fetch at a time.")] = 8,
    as_json: Json = False,
) -> None:
    """Bring maps into the cache (MINORTOM_CACHE); of tiled ones those that an area touches."""
    from minortom.downloads.fetch import fetch
    from minortom.downloads.find_map import find_data_set
    from minortom.grid.regions import Region

    area, manifests = Region.read(region) if region else None, [find_data_set(n)[1] for n in names]
    rows = []
    for manifest in manifests:
        with progress(manifest.name) as advance:
            summary = fetch(
                manifest, region=area, bbox=bbox, everything=everything, threads=workers,
                on_progress=advance,
            )  # fmt: skip
        rows.append(summary.as_dict())
        say(f"{manifest.credit()}\nPlease cite: {manifest.citation}")
    emit(rows, as_json=as_json)
