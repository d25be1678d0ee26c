"""`csmoe search`: find the patches nearest to an image or a patch, and show them on a page.

Axes, as name suffixes:
    q  queries    n  patches    k  hits    D  width
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from csmoe_model.choices import BOTH, IndexKind, SensorChoice
from csmoe_model.datasets.open_set import BandNames
from csmoe_model.extractors.load import RESERVED
from csmoe_model.inference.embeddings import PatchVectors, check_embeddings, standardised
from csmoe_model.inference.exclusion import Exclusion
from csmoe_model.retrieval.hits import (
    cards_of,
    check_count,
    check_shards,
    input_sha256,
    shown_hit,
    vectors_of,
)
from csmoe_model.retrieval.nearest import check_faiss, nearest
from csmoe_model.retrieval.query import ImageQuery, Images, PatchQuery, image_files
from csmoe_model.retrieval.search_page import Card, search_page
from minortom.api.arguments import keep_whole, one_of, path_of
from minortom.api.results import Result
from minortom.errors import InputError, UsageError
from minortom.io.artefact import artefact
from minortom.io.provenance import Provenance, sha256_of
from minortom.io.up_to_date import check_page, now, stored_licences, stored_provenance
from minortom.scenes.radiometry import GivenOffset
from minortom.shards.shard_set import ShardSet


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """Options of a search.

    Raises:
        InputError: If a value is not valid, or two values do not go together.
    """

    k: int = 10
    """Patches to find."""
    sensor: SensorChoice = "s2"
    """Sensor of the query's vector."""
    against: SensorChoice = "s2"
    """Sensor of the vectors that are searched."""
    index: IndexKind = "exact"
    exclusion: Exclusion = field(default_factory=Exclusion)
    """Patches to leave out where the query is a patch."""

    def __post_init__(self) -> None:
        keep_whole(self, {"k": 1})
        one_of("sensor", self.sensor, get_args(SensorChoice))
        one_of("against", self.against, get_args(SensorChoice))
        one_of("index", self.index, get_args(IndexKind))
        check_count(self.k)
        if BOTH in (self.sensor, self.against) and self.sensor != self.against:
            raise InputError(
                "vectors of both sensors are compared with vectors of both sensors only, found "
                f"--sensor {self.sensor} and --against {self.against}; give s2 or s1 for each"
            )


@dataclass(frozen=True, kw_only=True)
class SearchResult(Result):
    """Result of `csmoe search`."""

    status: str
    """`written`, or `up to date`."""
    out: Path
    """The page."""
    hits: Sequence[Mapping[str, Any]]
    """Columns of each patch and its cosine, nearest first."""

    def shown(self) -> list[dict[str, Any]]:
        """Return the hits, one row each."""
        return [shown_hit(dict(hit)) for hit in self.hits]


def search(
    embeddings: str | Path,
    *,
    shards: str | Path,
    html: str | Path,
    image: Images | None = None,
    like: str | int | None = None,
    checkpoint: str | Path | None = None,
    k: int = 10,
    sensor: SensorChoice = "s2",
    against: SensorChoice | None = None,
    index: IndexKind = "exact",
    exclude_km: float | None = None,
    include_own_cell: bool = False,
    s2_bands: BandNames | None = None,
    s1_bands: BandNames | None = None,
    s2_offset: GivenOffset = "auto",
    overwrite: bool = False,
) -> SearchResult:
    """Find the patches nearest to an image or a patch; write a page that needs no network.

    Vectors are compared by cosine after the mean vector of their sensor is subtracted, since all
    [CLS] vectors have it in common. Features without weights are standardised. A vector belongs to
    the patch of its cell, row and column, so that rows of the embeddings may be sorted or left out.
    The other patches of the cell of `like` are no hits, since they show the same place at the same
    time. An image has no cell, so that every patch may be a hit.

    Args:
        embeddings: GeoParquet file from `csmoe embed`.
        shards: Folder of the shards that the embeddings were made from.
        html: Page to write; its name ends in `.html`.
        image: GeoTIFF to search for; or two files, Sentinel-2 and then Sentinel-1.
        like: Patch of the shards to search for, instead of an image: its number, from 0, or its
            cell, row and column, such as `433D_629L:3:1`.
        checkpoint: Only with `image`: model or other extractor that made the embeddings.
        k: Patches to find, at most 1,000.
        sensor: Sensor of the query's vector: `s2`, `s1` or `both`.
        against: Sensor of the vectors to search; the same as `sensor` when None.
        index: `exact` compares all vectors; `ivf` those of the nearest cells, for millions.
        exclude_km: Only with `like`: leave out all patches within this distance of it too, in km.
        include_own_cell: Only with `like`: keep the other patches of its cell.
        s2_bands: Only with `image`: names of its Sentinel-2 bands, such as `B02,B03`; the names in
            the file when None.
        s1_bands: Only with `image`: names of its Sentinel-1 bands, as for `s2_bands`.
        s2_offset: Only with `image`: offset to subtract from Sentinel-2 values without offset tags,
            in reflectance × 10,000; `auto` takes it from the name of the product.
        overwrite: Whether to replace an output that was made otherwise.

    Returns:
        The hits, nearest first.

    Raises:
        UsageError: If not exactly one of `image` and `like` is given, `image` without
            `checkpoint`, or options that contradict each other.
        InputError: If the embeddings cannot be read, have values that are missing or not finite,
            or were made from other shards or by another checkpoint; if the query does not exist or
            does not fit the model; or if no patch is left to find.
        OutputExistsError: If `html` was made from something else.
    """
    started, embeddings, out = now(), path_of("embeddings", embeddings), path_of("html", html)
    exclusion = Exclusion(exclude_km=exclude_km, include_own_cell=include_own_cell)
    of_image = {
        "--checkpoint": checkpoint, "--s2-bands": s2_bands, "--s1-bands": s1_bands,
        "--s2-offset": None if s2_offset == "auto" else s2_offset,
    }  # fmt: skip
    files = _check_usage(image, like, of_image, exclusion)
    options = SearchOptions(
        k=k, sensor=sensor, against=sensor if against is None else against, index=index,
        exclusion=exclusion,
    )  # fmt: skip
    patch = None if like is None else PatchQuery.parse(like)
    check_page(out, option="--html")
    check_faiss()
    check_embeddings(embeddings)
    data = ShardSet.open(path_of("shards", shards))
    check_shards(embeddings, data)
    query = patch or ImageQuery.read(
        files, checkpoint or "", s2_bands=s2_bands, s1_bands=s1_bands, s2_offset=s2_offset
    )  # fmt: skip
    provenance = _provenance(embeddings, query, options)
    with artefact(
        out, provenance, inputs=[embeddings, data.folder, *files], overwrite=overwrite,
        started=started,
    ) as made:  # fmt: skip
        card, hits = _find(embeddings, data, query, options)
        if not made.up_to_date:
            sensors = (options.sensor, options.against)
            left_out = None if patch is None else options.exclusion.left_out
            page = search_page(
                card, hits, sensors=sensors, left_out=left_out, provenance=provenance
            )
            made.path.write_text(page, encoding="utf-8")
    return SearchResult(status=made.status, out=out, hits=[hit.values() for hit in hits])


def _check_usage(
    image: Images | None,
    like: str | int | None,
    of_image: Mapping[str, object],
    exclusion: Exclusion,
) -> tuple[Path, ...]:
    """Check that there is one query; return the files of the image, if it is one.

    Args:
        image: Files of the image.
        like: The patch.
        of_image: Options of an image, by name; None where they are not given.
        exclusion: Options of a patch.

    Raises:
        UsageError: If there is no query or two, or an option does not apply to it.
    """
    if (image is None) == (like is None):
        found = "none" if image is None else "both"
        raise UsageError(f"expected --image or --like, found {found}; give one of the two")
    if image is None:
        for name, value in of_image.items():
            if value is not None:
                raise UsageError(f"{name} works with --image only, found --like; leave it out")
        return ()
    if of_image["--checkpoint"] is None:
        raise UsageError("--image needs --checkpoint, the model that encodes it; give both")
    if not exclusion.is_default:
        raise UsageError(
            "--exclude-km and --include-own-cell work with --like only, found --image, which has "
            "no cell; leave them out"
        )
    return image_files(image)


def _provenance(
    embeddings: Path, query: ImageQuery | PatchQuery, options: SearchOptions
) -> Provenance:
    image = query if isinstance(query, ImageQuery) else None
    files, bands = (image.inputs, image.bands) if image else ((), {})
    return Provenance(
        command="search",
        options={
            "k": options.k, "sensor": options.sensor, "against": options.against,
            "index": options.index, "like": None if image else str(query),
            "bands": [name for names, _ in bands.values() for name in names],
            **(image.reader.record if image else options.exclusion.record),
        },
        inputs={
            "embeddings": sha256_of(embeddings),
            **{f"query_{number}": sha256_of(path) for number, path in enumerate(files)},
        },
        licences=stored_licences(embeddings),
    )  # fmt: skip


def _find(
    embeddings: Path, data: ShardSet, query: ImageQuery | PatchQuery, options: SearchOptions
) -> tuple[Card, list[Card]]:
    """Return the query and its hits, nearest first."""
    vectors = {
        name: vectors_of(embeddings, name, data) for name in {options.sensor, options.against}
    }
    of_query, searched = vectors[options.sensor], vectors[options.against]
    if isinstance(query, ImageQuery):
        made_by = input_sha256(embeddings, "weights")
        vector_D, card = query.encode(options.sensor, weights_sha256=made_by)
        stays_n = None
    else:
        own = query.position(data)
        vector_D = _vector_of(of_query, own, query, embeddings, options.sensor)
        [card] = cards_of(data, [(own, None)])
        [stays_n] = options.exclusion.stays(data, [own])[:, searched.samples]
        if not stays_n.any():
            raise options.exclusion.nothing_left(data, str(query))
    query_qD, archive_nD = _comparable(
        vector_D, of_query.vector_nD, searched.vector_nD, unscaled=_is_unscaled(embeddings)
    )
    samples_n = searched.samples
    if stays_n is not None:  # before the search, so that `ivf` finds k of those that stay too
        archive_nD, samples_n = archive_nD[stays_n], samples_n[stays_n]
    number_qk, cosine_qk = nearest(query_qD, archive_nD, options.k, index=options.index)
    samples_k = samples_n[number_qk[0]].tolist()
    return card, cards_of(data, list(zip(samples_k, cosine_qk[0].tolist(), strict=True)))


def _vector_of(
    vectors: PatchVectors, own: int, query: PatchQuery, embeddings: Path, sensor: str
) -> NDArray[np.float32]:
    """Return the vector of a patch [D]."""
    row = vectors.position(own)
    if row is None:
        raise InputError(
            f"--like must be a patch with a vector of {sensor} in {embeddings}, found {query}, "
            "which has none; give another patch, or embeddings of all patches"
        )
    found: NDArray[np.float32] = vectors.vector_nD[row]
    return found


def _comparable(
    vector_D: NDArray[np.float32], of_query_nD: NDArray[np.float32],
    searched_nD: NDArray[np.float32], *, unscaled: bool,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:  # fmt: skip
    """Return the query [1, D] and the archive [n, D], each without the mean of its sensor.

    Features with scales of their own are also divided by their standard deviations.
    """
    if unscaled:
        query_qD, _ = standardised(vector_D[None], of_query_nD)
        return query_qD, standardised(vector_D[None], searched_nD)[1]
    return (vector_D - of_query_nD.mean(0))[None], searched_nD - searched_nD.mean(0)


def _is_unscaled(embeddings: Path) -> bool:
    """Return whether the features have scales of their own, as those without weights do."""
    options = (stored_provenance(embeddings) or {}).get("options")
    return isinstance(options, dict) and options.get("extractor") in RESERVED
