"""``minortom demo``: a small synthetic planet to try the other commands on."""

from pathlib import Path
from typing import Annotated

import typer

from minortom_cli.console import Json, Overwrite, RegionLayer, Seed, emit, progress


def demo(
    out: Annotated[Path, typer.Argument(help="Folder for the planet's maps, cells and archive.")],
    *,
    seed: Seed = 0,
    tiles: Annotated[int, typer.Option(min=1, help="Tiles in the archive (18 MB each).")] = 14,
    field_km: Annotated[
        float | None,
        typer.Option(
            help="Range of smooth random fields, in km, which four properties of the cells follow "
            "within every stratum.",
            show_default="none: each cell has properties of its own",
        ),
    ] = None,
    region: Annotated[
        Path | None,
        typer.Option(
            help="Vector file of polygons, such as GeoJSON, in any CRS. Cells and tiles lie there, "
            "and the planet is turned so that the area has land.",
            show_default="the whole globe",
        ),
    ] = None,
    region_layer: RegionLayer = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Make a synthetic planet: climate and land-cover maps, cells, and a small S1+S2 archive."""
    from minortom.synthetic.planet import demo

    with progress("tiles") as advance:
        result = demo(
            out, seed=seed, tiles=tiles, field_km=field_km, region=region,
            region_layer=region_layer, overwrite=overwrite,
            on_progress=advance,
        )  # fmt: skip
    emit(result, as_json=as_json)
