"""``csmoe search``: the patches most like one, as a page with pictures.

Axes, as name suffixes:
    n  patches    D  width
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from csmoe_model.data.bands import channels
from csmoe_model.datasets.base import LabelledSplit
from csmoe_model.datasets.image_folder import ImageBands
from csmoe_model.inference.embeddings import check_embeddings, read_vectors
from csmoe_model.inference.encode_dataset import encode_set
from csmoe_model.inference.load import LoadedModel, load_encoder
from csmoe_model.retrieval.nearest import IndexKind, nearest
from csmoe_model.retrieval.search_page import FloatArray, Shown, search_page
from minortom.errors import InputError
from minortom.io.atomic_write import write_text
from minortom.io.provenance import Provenance, sha256_of
from minortom.io.up_to_date import (
    check_page,
    is_up_to_date,
    now,
    status,
    stored_licences,
    stored_provenance,
    write_run_record,
)
from minortom.plotting.patch_pictures import patch_pictures, picture
from minortom.sensors import MODEL_BANDS, S2_10M, SensorName
from minortom.shards.layout import DATASET_FILE
from minortom.shards.shard_set import ShardSet

SAID = ("grid_cell", "patch_row", "patch_col", "split", "climate", "landcover", "lat", "lon")
"""What is told of a patch."""
MOST = 1000
"""Hits on a page: 60 MB of pictures."""


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """What is searched for, and how.

    Raises:
        InputError: If a value is none that can be searched for.
    """

    k: int = 10
    sensor: str = "s2"
    """Whose vector of the query: `s2`, `s1`, or `both`."""
    against: str | None = None
    """Whose vectors are searched; the query's when None."""
    index: IndexKind = "exact"

    def __post_init__(self) -> None:
        if not 1 <= self.k <= MOST:
            raise InputError(f"--k must be 1 to {MOST:,}, all on one page; it is {self.k:,}")
        if "both" in (self.sensor, self.against or self.sensor) and self.against not in (
            None, self.sensor
        ):  # fmt: skip
            raise InputError(
                "vectors of both sensors are compared with such alone; give --sensor and --against "
                "s2 or s1"
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageQuery:
    """A user's image, and the model that made the embeddings."""

    checkpoint: str | Path
    files: Sequence[Path]
    bands: Callable[[], ImageBands]
    """Reads the image: by sensor the names of the bands, and their pixels [C, H, W]."""


@dataclass(frozen=True, kw_only=True)
class PatchQuery:
    """A patch of the shards."""

    cell: str
    row: int
    col: int

    def __str__(self) -> str:
        return f"{self.cell}:{self.row}:{self.col}"

    @classmethod
    def parse(cls, text: str) -> "PatchQuery":
        """Read a patch as in `433D_629L:3:1`: cell, row, column.

        Raises:
            InputError: If it is none.
        """
        try:
            cell, row, col = text.split(":")
            return cls(cell=cell, row=int(row), col=int(col))
        except ValueError:
            raise InputError(
                f"--like {text}: wanted a cell, a row and a column, as in 433D_629L:3:1"
            ) from None


def search(
    embeddings: Path,
    shards: Path,
    out: Path,
    query: ImageQuery | PatchQuery,
    *,
    options: SearchOptions,
    coast: Sequence[FloatArray] = (),
    overwrite: bool = False,
) -> dict[str, object]:
    """Find the patches most like an image or a patch; write a page that needs no network.

    Vectors are compared by cosine after the mean of their sensor is taken away, which all [CLS]
    share.

    Args:
        embeddings: What `csmoe embed` wrote.
        shards: The shards that these are of.
        out: The page, `.html`.
        query: What to look for.
        options: How.
        coast: Rings of coast lines [points, 2], longitude and latitude, for the map.
        overwrite: Whether another file in `out` may be replaced.

    Returns:
        The hits, nearest first, and what there is to tell beside them.

    Raises:
        InputError: If the embeddings are none, or of other shards or another checkpoint; or the
            query is not there or does not fit the model.
        OutputExistsError: If `out` is something else.
    """
    check_page(out)
    check_embeddings(embeddings)
    started, data = now(), ShardSet.open(shards)
    _check_shards(embeddings, data)
    of_query = {f"query_{n}": sha256_of(p) for n, p in enumerate(_files(query))}
    bands = query.bands() if isinstance(query, ImageQuery) else {}
    against = options.against or options.sensor
    provenance = Provenance(
        command="search",
        options={
            "k": options.k, "sensor": options.sensor, "against": against, "index": options.index,
            "like": None if isinstance(query, ImageQuery) else str(query),
            "bands": [name for names, _ in bands.values() for name in names],
        },
        inputs={"embeddings": sha256_of(embeddings), **of_query},
        licences=stored_licences(embeddings),
    )  # fmt: skip
    inputs = [embeddings, shards, *_files(query)]
    done = is_up_to_date(out, provenance, inputs=inputs, overwrite=overwrite)
    vectors = {name: _vectors(embeddings, name) for name in {options.sensor, against}}
    where = _position(data, query) if isinstance(query, PatchQuery) else None
    if isinstance(query, ImageQuery):
        vector_D, shown = _of_image(query, bands, embeddings, options.sensor)
    else:
        assert where is not None
        vector_D, shown = vectors[options.sensor][where], _shown(data, [(where, None)])[0]
    centred_D = vector_D - vectors[options.sensor].mean(0)
    archive_nD = vectors[against] - vectors[against].mean(0)
    # The patch itself is the nearest of its own sensor, and among the first of the other.
    number_qk, cosine_qk = nearest(
        centred_D[None], archive_nD, options.k + (where is not None), index=options.index
    )
    pairs = zip(number_qk[0].tolist(), cosine_qk[0].tolist(), strict=True)
    found = [(number, cosine) for number, cosine in pairs if number != where][: options.k]
    hits = _shown(data, found)
    if not done:
        page = search_page(shown, hits, sensors=(options.sensor, against), coast=coast,
                           provenance=provenance)  # fmt: skip
        write_text(out, page)
        write_run_record(out, started)
    return {"status": status(done), "out": str(out), "hits": [hit.told() for hit in hits]}


def shown_rows(result: Mapping[str, Any]) -> list[dict[str, object]]:
    """Lay the hits out for a terminal."""
    names = {"grid_cell": "cell", "patch_row": "row", "patch_col": "col"}
    return [{names.get(key, key): value for key, value in hit.items()} for hit in result["hits"]]


def _files(query: ImageQuery | PatchQuery) -> Sequence[Path]:
    return query.files if isinstance(query, ImageQuery) else ()


def _made_from(embeddings: Path, name: str) -> str:
    inputs = (stored_provenance(embeddings) or {}).get("inputs")
    return str(inputs.get(name)) if isinstance(inputs, dict) else ""


def _check_shards(embeddings: Path, data: ShardSet) -> None:
    if _made_from(embeddings, "shards") != sha256_of(data.folder / DATASET_FILE):
        raise InputError(
            f"{embeddings} was not made from the shards in {data.folder}; give those that it was "
            "made from, or embed these"
        )


def _vectors(embeddings: Path, sensor: str) -> NDArray[np.float32]:
    vectors = read_vectors(embeddings, sensor)
    if not len(vectors):
        raise InputError(f"{embeddings} holds no vectors of {sensor}; give another --sensor")
    return vectors


def _position(data: ShardSet, query: PatchQuery) -> int:
    table = data.metadata(["grid_cell", "patch_row", "patch_col"])
    of_cell = table["grid_cell"].to_numpy() == query.cell
    there = np.flatnonzero(
        of_cell
        & (table["patch_row"].to_numpy() == query.row)
        & (table["patch_col"].to_numpy() == query.col)
    )
    if not len(there):
        what = "other patches of that cell" if of_cell.any() else "no patch of that cell"
        raise InputError(
            f"--like {query}: {data.folder} has {what}; `minortom show` shows some that it has"
        )
    return int(there[0])


def _shown(data: ShardSet, found: Sequence[tuple[int, float | None]]) -> list[Shown]:
    """Look up what is known of some patches, by number, and how they look."""
    rows: list[dict[str, Any]] = (
        data.metadata(SAID).take([number for number, _ in found]).to_pylist()
    )
    pictures = [
        dict(zip(MODEL_BANDS, patch_pictures(data, number), strict=True)) for number, _ in found
    ]
    return [
        Shown(what=row, pictures=of_patch, cosine=cosine)
        for row, of_patch, (_, cosine) in zip(rows, pictures, found, strict=True)
    ]


def _of_image(
    query: ImageQuery, bands: ImageBands, embeddings: Path, sensor: str
) -> tuple[NDArray[np.float32], Shown]:
    """Encode a user's image by the model that made the embeddings; give its picture, too."""
    trained = load_encoder(query.checkpoint)
    if _made_from(embeddings, "weights") != trained.weights_sha256:
        raise InputError(
            f"{embeddings} was made by another checkpoint than {query.checkpoint}; give that one, "
            "or embed the shards with this"
        )
    wanted: list[SensorName] = ["s2", "s1"] if sensor == "both" else [sensor]  # type: ignore[list-item]  # checked on the command line
    missing = [name for name in wanted if name not in bands]
    if missing:
        raise InputError(
            f"the image has no bands of {', '.join(missing)}; it has those of {', '.join(bands)}: "
            "give another --sensor, or the other file too"
        )
    vectors = [_encoded(trained, name, bands) for name in wanted]
    pictures = {name: _picture(name, bands) for name in bands}
    shown = Shown(what={"file": ", ".join(path.name for path in query.files)},
                  pictures=pictures, cosine=None)  # fmt: skip
    mean_D: NDArray[np.float32] = np.mean(vectors, axis=0)
    return mean_D, shown


def _encoded(trained: LoadedModel, sensor: SensorName, bands: ImageBands) -> NDArray[np.float32]:
    names, pixels_CHW = bands[sensor]
    alone = LabelledSplit(images=lambda _: {sensor: pixels_CHW[None]}, labels=np.zeros(1, np.int64))
    vectors = encode_set(trained.model, alone, sensors=[sensor], bands={sensor: names})
    first: NDArray[np.float32] = vectors[0]
    return first


def _picture(sensor: SensorName, bands: ImageBands) -> NDArray[np.float32]:
    names, pixels_CHW = bands[sensor]
    picked = pixels_CHW[channels(sensor, names)]
    scale = S2_10M.scale if sensor == "s2" else 1.0
    return picture(sensor, dict(zip(MODEL_BANDS[sensor], picked * np.float32(scale), strict=True)))
