"""Public function of ``minortom cluster``."""

from collections.abc import Sequence
from pathlib import Path

from minortom.api.arguments import path_of, several, whole_number
from minortom.api.choices import CellRows, Metric
from minortom.api.cores import available_cores
from minortom.clustering.centroids_file import given_centroids
from minortom.clustering.job import ClusterJob
from minortom.clustering.options import ClusterOptions, refuse_options_of_new_clusters
from minortom.clustering.result import ClusterResult
from minortom.errors import UsageError
from minortom.progress import OnProgress, ignore_progress


def cluster(
    embeddings: str | Path | Sequence[str | Path],
    *,
    out: str | Path,
    k: str | int | Sequence[int] | None = None,
    metric: Metric | None = None,
    rows: CellRows | None = None,
    sensor: str | None = None,
    centroids: str | Path | None = None,
    iterations: int | None = None,
    vectors_per_cluster: int | None = None,
    seed: int = 0,
    workers: int | None = None,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> ClusterResult:
    """Cluster cells by their embeddings: hierarchical k-means, out of core.

    Example:
        ``cluster("embeddings.parquet", k=(5000, 200), out="clusters.parquet")``

    Args:
        embeddings: Parquet files and folders of Parquet files with the column ``grid_cell`` and
            the vectors in ``vector`` (from ``csmoe embed``) or ``embedding`` (as Major TOM
            publishes them); a cell may have several rows.
        out: GeoParquet file to write: ``grid_cell``, ``cluster_1``, ``cluster_2`` … and the
            centres of the cells. Beside it, ``NAME.centroids.parquet`` has the centres of the
            clusters, and ``NAME.html`` their sizes and example cells.
        k: Number of clusters of each level, the finest first: text such as ``5000,200``, a
            number, or a sequence. Each further level clusters the clusters of the one before.
        metric: ``spherical`` (None too) scales all vectors to the length 1, ``euclidean`` takes
            them as they are.
        rows: What becomes of several rows of a cell: ``mean`` (None too) clusters their mean,
            ``vote`` clusters each row, and the cell has the cluster of most of them.
        sensor: Rows to read by their column ``sensor``; None reads ``both``, or the only sensor.
        centroids: File with the centres of clusters. No new clusters are made: each embedding is
            assigned to the nearest of these, which must be of the same model.
        iterations: Maximum number of iterations of k-means; None means 25.
        vectors_per_cluster: Vectors that the training uses for each cluster of the finest level,
            on average; the others are only assigned. None means 256.
        seed: Seed of all random numbers; the same seed gives the same clusters.
        workers: Threads; None means all cores. The result does not depend on it.
        overwrite: Whether to replace an output with another provenance.
        on_progress: Called with (vectors done, vectors in all), over all iterations.

    Returns:
        The figures that the command prints; ``table`` and ``to_geopandas()`` give the clusters of
        the cells.

    Raises:
        UsageError: If neither ``k`` nor ``centroids`` is given, or an option does not apply.
        InputError: If faiss is missing, the embeddings or the centroids are unusable, or there
            are more clusters than vectors.
        OutputExistsError: If an output has another provenance and ``overwrite`` is false.
    """
    sources = several("embeddings", embeddings, expected="a path (str or Path)")
    if not sources:
        raise UsageError("expected files or folders of embeddings, found none; give one")
    options = given = None
    if centroids is None:
        options = ClusterOptions.of(
            k=k, metric=metric, rows=rows, iterations=iterations,
            vectors_per_cluster=vectors_per_cluster, seed=seed,
        )  # fmt: skip
    else:
        refuse_options_of_new_clusters(
            k=k, metric=metric, iterations=iterations, vectors_per_cluster=vectors_per_cluster
        )
        given = given_centroids(path_of("centroids", centroids), rows=rows)
    job = ClusterJob(
        sources=tuple(path_of("embeddings", source) for source in sources), sensor=sensor,
        options=options, given=given,
        workers=(
            available_cores() if workers is None else whole_number("workers", workers, minimum=1)
        ),
    )  # fmt: skip
    return job.run(path_of("out", out), overwrite=overwrite, on_progress=on_progress)
