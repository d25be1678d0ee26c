"""Cluster embeddings, or assign them to given clusters, with the life cycle of an output."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minortom.clustering.cell_clusters import cell_clusters
from minortom.clustering.cell_vectors import CellVectors, Gathering
from minortom.clustering.centroids_file import Centroids
from minortom.clustering.embedding_files import Embeddings, open_embeddings
from minortom.clustering.kmeans import assign
from minortom.clustering.levels import Assigned, Training
from minortom.clustering.nearest import Search, check_faiss, open_search
from minortom.clustering.options import ClusterOptions
from minortom.clustering.output_files import Clustered, OutputFiles
from minortom.clustering.result import ClusterResult
from minortom.errors import InputError, MinorTomError
from minortom.io.provenance import Provenance, sha256_of
from minortom.io.up_to_date import now, stored_licences
from minortom.io.work_folder import delete_work_folder, prepare_work_folder, work_folder
from minortom.progress import OnProgress


@dataclass(frozen=True, kw_only=True, eq=False)
class ClusterJob:
    """Embeddings to cluster, or to assign to given clusters."""

    sources: tuple[Path, ...]
    sensor: str | None
    options: ClusterOptions | None
    """Options of new clusters; None with given ones."""
    given: Centroids | None
    """Clusters to assign to; None for new ones."""
    workers: int

    def run(self, out: Path, *, overwrite: bool, on_progress: OnProgress) -> ClusterResult:
        """Write the clusters of the cells, the centres of new clusters, and the page."""
        check_faiss()
        started, files = now(), OutputFiles.beside(out)
        preferred = self.given.sensor if self.given else None
        embeddings = open_embeddings(self.sources, self.sensor, preferred=preferred)
        if self.given is not None:
            self.given.check(embeddings)
        provenance = self._provenance(embeddings)
        work = work_folder(out)
        with files.artefact(
            provenance, inputs=self._inputs(), overwrite=overwrite, started=started,
            is_new=self.given is None,
        ) as made:  # fmt: skip
            if made.up_to_date:
                result = files.up_to_date_result(self.given)
            else:
                with _work_on(work, provenance, overwrite=overwrite):
                    clustered = self._clustered(embeddings, work, on_progress)
                    files.write(clustered, made.path, provenance, is_new=self.given is None)
                result = files.result(clustered, self.given)
                made.run_details["summary"] = result.as_dict()
        delete_work_folder(work, provenance)
        return result

    def _inputs(self) -> list[Path]:
        return [*self.sources, *([self.given.path] if self.given else [])]

    def _gathering(self) -> Gathering:
        """Return how rows become vectors: as the options say, or as for the given clusters."""
        chosen = self.options or self.given
        assert chosen is not None
        return Gathering(metric=chosen.metric, rows=chosen.rows)

    def _provenance(self, embeddings: Embeddings) -> Provenance:
        how = self._gathering()
        options = {"metric": how.metric, "rows": how.rows} | {
            "sensor": embeddings.sensor, "model": embeddings.model, "width": embeddings.width,
        } | (self.options.as_options() if self.options else {})  # fmt: skip
        inputs = {
            f"embeddings {number}": sha256_of(source)
            for number, source in enumerate(self.sources, start=1)
        }
        inputs |= {"centroids": sha256_of(self.given.path)} if self.given else {}
        parts = [stored_licences(part.path) for part in embeddings.parts]
        parts += [stored_licences(self.given.path)] if self.given else []
        return Provenance(
            command="cluster", options=options, inputs=inputs,
            seed=self.options.seed if self.options else None,
            licences=tuple(dict.fromkeys(line for lines in parts for line in lines)),
        )  # fmt: skip

    def _clustered(self, embeddings: Embeddings, work: Path, on_progress: OnProgress) -> Clustered:
        progress = _Progress(embeddings, self.options, on_progress)
        how = self._gathering()
        gathered = how.open(embeddings, work, on_rows=progress.add)
        with gathered.vectors, open_search(how.metric, self.workers) as search:
            found = self._assigned(gathered, search, work, progress.add)
        progress.finish()
        return found

    def _assigned(
        self, gathered: CellVectors, search: Search, work: Path, on_vectors: Callable[[int], None]
    ) -> Clustered:
        vectors, iterations = gathered.vectors, None
        if self.options is not None:
            self._check_count(len(vectors))
            levels, assigned, state = Training(
                vectors=vectors, options=self.options, search=search, work=work,
                on_vectors=on_vectors,
            ).run()  # fmt: skip
            iterations = len(state.inertia)
        else:
            assert self.given is not None
            levels, ones = self.given.levels, np.ones(len(vectors))
            nearest = assign(vectors, levels[0].centre_kD, search, ones, on_vectors)
            assigned = Assigned(label_n=nearest.label_n, distance_n=nearest.distance_n)
        return Clustered(
            gathered=gathered, levels=levels, cells=cell_clusters(gathered, assigned, levels),
            inertia=float(assigned.distance_n.sum()), iterations=iterations,
        )  # fmt: skip

    def _check_count(self, count: int) -> None:
        assert self.options is not None
        if count < self.options.k[0]:
            of = "rows" if self.options.rows == "vote" else "cells"
            raise InputError(
                f"expected at most as many clusters as {of} with embeddings, {count:,}, found "
                f"--k {self.options.k[0]}; give a smaller --k"
            )


class _Progress:
    """Vectors that were read or searched, of those of all iterations."""

    def __init__(
        self, embeddings: Embeddings, options: ClusterOptions | None, report: OnProgress
    ) -> None:
        rows = embeddings.num_rows
        self._done, self._total, self._report = 0, 2 * rows, report
        if options is not None:
            trained = min(rows, options.k[0] * options.vectors_per_cluster)
            self._total += trained * options.iterations

    def add(self, count: int) -> None:
        self._done += count
        self._report(min(self._done, self._total), self._total)

    def finish(self) -> None:
        """Report the end: there may have been fewer iterations, and fewer cells than rows."""
        self._report(self._total, self._total)


@contextmanager
def _work_on(work: Path, provenance: Provenance, *, overwrite: bool) -> Iterator[None]:
    """Create the folder of unfinished work; delete it if it is of no use after an exception."""
    prepare_work_folder(work, provenance, overwrite=overwrite)
    try:
        yield
    except BaseException as error:
        if isinstance(error, MinorTomError) or not Gathering.is_done(work):
            delete_work_folder(work, provenance)
        raise
