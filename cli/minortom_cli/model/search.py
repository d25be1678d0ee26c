"""``csmoe search``: the patches most like an image or a patch."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from minortom_cli.console import Json, Overwrite, emit
from minortom_cli.model.labelled_data import Index, S1Bands, S2Bands

if TYPE_CHECKING:
    from csmoe_model.retrieval.search import ImageQuery
    from minortom.scenes.image_reader import Role


def search(
    embeddings: Annotated[Path, typer.Argument(help="GeoParquet file from `csmoe embed`.")],
    shards: Annotated[Path, typer.Option(help="Folder of shards that it was made from.")],
    html: Annotated[Path, typer.Option(help="Page to write.")],
    image: Annotated[
        list[Path] | None,
        typer.Option(help="GeoTIFF to look for; or two, Sentinel-2 and then Sentinel-1."),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(metavar="CELL:ROW:COL", help="A patch of the shards to look for, instead."),
    ] = None,
    checkpoint: Annotated[
        str | None, typer.Option(help="Model that made the embeddings; --image needs it.")
    ] = None,
    k: Annotated[int, typer.Option(min=1, help="Patches to find.")] = 10,
    sensor: Annotated[
        Literal["s2", "s1", "both"], typer.Option(help="Whose vector of the query.")
    ] = "s2",
    against: Annotated[
        Literal["s2", "s1", "both"] | None,
        typer.Option(help="Whose vectors are searched; the query's by default."),
    ] = None,
    index: Index = "exact",
    s2_bands: S2Bands = None,
    s1_bands: S1Bands = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Find the patches most like an image or a patch, and show them on a page."""
    if (image is None) == (like is None):
        raise typer.BadParameter("give --image or --like, one of the two")
    if image is not None and len(image) > 2:
        raise typer.BadParameter("--image twice at most: Sentinel-2, then Sentinel-1")
    if image is not None and checkpoint is None:
        raise typer.BadParameter("--image goes with --checkpoint, which encodes it")
    # Imported here so that `csmoe --help` loads neither torch nor matplotlib.
    from csmoe_model.retrieval.search import PatchQuery, SearchOptions, shown_rows
    from csmoe_model.retrieval.search import search as run_search
    from minortom.plotting.density_map import coast_lines

    if image is not None and checkpoint is not None:
        query: ImageQuery | PatchQuery = _image_query(image, checkpoint, s2_bands, s1_bands)
    else:
        query = PatchQuery.parse(like or "")
    options = SearchOptions(k=k, sensor=sensor, against=against, index=index)
    result = run_search(
        embeddings, shards, html, query, options=options, coast=coast_lines(), overwrite=overwrite
    )
    emit(result if as_json else shown_rows(result), as_json=as_json)


def _image_query(
    image: list[Path], checkpoint: str, s2_bands: str | None, s1_bands: str | None
) -> "ImageQuery":
    from csmoe_model.datasets.open_set import parse_bands
    from csmoe_model.retrieval.search import ImageQuery
    from minortom.scenes.image_reader import ImageReader

    reader = ImageReader(s2_bands=parse_bands(s2_bands), s1_bands=parse_bands(s1_bands))
    files: dict[Role, Path] = (
        {"file": image[0]} if len(image) == 1 else {"s2": image[0], "s1": image[1]}
    )
    return ImageQuery(checkpoint=checkpoint, files=image, bands=lambda: reader(files))
