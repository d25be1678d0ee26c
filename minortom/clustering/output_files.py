"""Files that ``minortom cluster`` writes: the clusters of cells, their centres, and a page."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from minortom.clustering.cell_clusters import CellClusters, column_of
from minortom.clustering.cell_vectors import CellVectors
from minortom.clustering.centroids_file import Centroids, read_centroids, write_centroids
from minortom.clustering.levels import Level
from minortom.clustering.page import PageContent, clusters_page
from minortom.clustering.result import ClusterResult
from minortom.io.artefact import Artefact, artefact
from minortom.io.atomic_write import atomic_file, write_text
from minortom.io.column_metadata import classes_metadata
from minortom.io.geoparquet import points_table, write_table
from minortom.io.provenance import Provenance
from minortom.io.up_to_date import check_parquet, is_up_to_date, status, stored_provenance


@dataclass(frozen=True, kw_only=True, eq=False)
class Clustered:
    """Clusters of cells, and how they were found."""

    gathered: CellVectors
    levels: tuple[Level, ...]
    cells: CellClusters
    inertia: float
    """Sum of the squared distances of all vectors to the centres of the finest level."""
    iterations: int | None
    """Iterations of the finest level; None where no cluster is new."""

    def empty(self) -> list[int]:
        """Return the number of clusters of each level without a cell."""
        return [
            len(level) - len(np.unique(labels))
            for level, labels in zip(self.levels, self.cells.labels, strict=True)
        ]


@dataclass(frozen=True, kw_only=True)
class OutputFiles:
    """Paths of the outputs."""

    out: Path
    """Clusters of the cells."""
    centroids: Path
    """Centres of new clusters."""
    page: Path

    @classmethod
    def beside(cls, out: Path) -> "OutputFiles":
        """Return the files of an output.

        Raises:
            InputError: If the output has not the suffix of a Parquet file.
        """
        check_parquet(out, "the clusters of cells")
        return cls(
            out=out, centroids=out.with_name(f"{out.stem}.centroids.parquet"),
            page=out.with_name(f"{out.stem}.html"),
        )  # fmt: skip

    @contextmanager
    def artefact(
        self,
        provenance: Provenance,
        *,
        inputs: Iterable[Path],
        overwrite: bool,
        started: datetime,
        is_new: bool,
    ) -> Iterator[Artefact]:
        """Do as `minortom.io.artefact` does for all files, which have the same provenance."""
        inputs, more = list(inputs), [self.page, *([self.centroids] if is_new else [])]
        with artefact(
            self.out, provenance, inputs=inputs, overwrite=overwrite, started=started,
            is_whole=lambda: all(
                stored_provenance(path) == provenance.as_dict() for path in more
            ),
        ) as made:  # fmt: skip
            if not made.up_to_date:
                for path in more:
                    is_up_to_date(path, provenance, inputs=inputs, overwrite=overwrite)
            yield made

    def write(
        self, clustered: Clustered, table_path: Path, provenance: Provenance, *, is_new: bool
    ) -> None:
        """Write all files; the table last, which is the sign that they are there.

        Args:
            clustered: The clusters.
            table_path: Where to write the table, which then takes its place.
            provenance: All that the files depend on.
            is_new: Whether the clusters are new, so that their centres are written.
        """
        if is_new:
            with atomic_file(self.centroids) as path:
                write_centroids(clustered.levels, path, provenance)
        content = PageContent(
            cells=clustered.cells, levels=clustered.levels, vectors=len(clustered.gathered.cell_n),
            rows=clustered.gathered.rows,
        )  # fmt: skip
        write_text(self.page, clusters_page(content, provenance))
        more = classes_metadata([column_of(n) for n in range(1, len(clustered.levels) + 1)])
        write_table(points_table(clustered.cells.table, provenance, more=more), table_path)

    def result(self, clustered: Clustered, given: Centroids | None) -> ClusterResult:
        """Return the result of a run."""
        return ClusterResult(
            out=self.out, status=status(False), page=self.page,
            centroids=self.centroids if given is None else given.path,
            cells=len(clustered.cells.table),
            clusters=[len(level) for level in clustered.levels],
            embeddings=clustered.gathered.rows, width=clustered.gathered.vectors.width,
            iterations=clustered.iterations, inertia=clustered.inertia, empty=clustered.empty(),
        )  # fmt: skip

    def up_to_date_result(self, given: Centroids | None) -> ClusterResult:
        """Return the result of a run that had nothing to do."""
        clusters = given or read_centroids(self.centroids)
        return ClusterResult(
            out=self.out, status=status(True), page=self.page, centroids=clusters.path,
            cells=pq.read_metadata(self.out).num_rows,
            clusters=[len(level) for level in clusters.levels],
        )  # fmt: skip
