"""``minortom cluster``: cluster cells by their embeddings."""

from pathlib import Path
from typing import Annotated

import typer

import minortom
from minortom.api import choices
from minortom_cli.console import Json, Overwrite, Seed, Workers, emit, progress


def cluster(
    embeddings: Annotated[
        list[Path],
        typer.Argument(
            help="Files or folders of embeddings, from `csmoe embed` or in Major TOM's layout."
        ),
    ],
    *,
    out: Annotated[
        Path,
        typer.Option(
            help="GeoParquet file for the clusters. NAME.centroids.parquet and NAME.html are "
            "written beside it."
        ),
    ],
    k: Annotated[
        str | None,
        typer.Option(
            "--k",
            metavar="K[,K]...",
            help="Number of clusters of each level, the finest first, such as 5000,200. A further "
            "level clusters the clusters of the one before.",
            show_default="none; required without --centroids",
        ),
    ] = None,
    metric: Annotated[
        choices.Metric | None,
        typer.Option(
            help="Compare embeddings by their angle, or by Euclidean distance.",
            show_default="spherical",
        ),
    ] = None,
    rows: Annotated[
        choices.CellRows | None,
        typer.Option(
            help="Several embeddings of a cell: cluster their mean, or cluster each and take the "
            "cluster of most of them.",
            show_default="mean, or as for the --centroids",
        ),
    ] = None,
    sensor: Annotated[
        str | None,
        typer.Option(
            help="Embeddings to read, by the column sensor: s2, s1 or both.",
            show_default="both, or the only sensor",
        ),
    ] = None,
    centroids: Annotated[
        Path | None,
        typer.Option(
            help="File NAME.centroids.parquet of an earlier run. The embeddings are assigned to "
            "its clusters, and no new clusters are made.",
            show_default="none",
        ),
    ] = None,
    iterations: Annotated[
        int | None,
        typer.Option(min=1, help="Maximum number of iterations of k-means.", show_default="25"),
    ] = None,
    vectors_per_cluster: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Embeddings to train on for each cluster of the finest level, on average. They "
            "are drawn at random. The others are only assigned.",
            show_default="256",
        ),
    ] = None,
    seed: Seed = 0,
    workers: Workers = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Cluster cells by their embeddings, with a column of cluster numbers for each level.

    If training is interrupted, the same command resumes it.
    """
    with progress("embeddings") as advance:
        result = minortom.cluster(
            embeddings, out=out, k=k, metric=metric, rows=rows, sensor=sensor,
            centroids=centroids, iterations=iterations, vectors_per_cluster=vectors_per_cluster,
            seed=seed, workers=workers, overwrite=overwrite, on_progress=advance,
        )  # fmt: skip
    emit(result, as_json=as_json)
