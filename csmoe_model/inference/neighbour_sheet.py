"""Picture of some patches with their nearest neighbours, `csmoe embed --neighbours`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from csmoe_model.inference.exclusion import Exclusion
from minortom.api.arguments import path_of
from minortom.errors import InputError, UsageError
from minortom.io.atomic_write import atomic_file, check_parents
from minortom.io.provenance import KEY, Provenance
from minortom.io.up_to_date import is_up_to_date
from minortom.plotting.patch_pictures import Pixels, patch_pictures
from minortom.shards.shard_set import ShardSet

Metadata = Mapping[str, object]

_CAPTION = ("grid_cell", "patch_row", "patch_col", "landcover", "climate")
_NUM_QUERIES = 10
_NUM_NEIGHBOURS = 5
_DPI = 100
_PICTURE_INCHES = 1.0
_PLACE_WIDTH, _LINE_HEIGHT = 2.2, 1.6
"""Space for a patch, in sides of a picture: two pictures and the caption above them."""


@dataclass(frozen=True, kw_only=True)
class NeighbourPicture:
    """Picture to write, and the patches that are left out among the neighbours."""

    out: Path
    exclusion: Exclusion

    @classmethod
    def of(
        cls, neighbours: str | Path | None, *, exclude_km: float | None, include_own_cell: bool
    ) -> "NeighbourPicture | None":
        """Return the picture that a user asks for; None for none.

        Raises:
            UsageError: If patches are left out of no picture, or in two ways.
            InputError: If the name does not end in `.png`, or the distance is not valid.
        """
        exclusion = Exclusion(exclude_km=exclude_km, include_own_cell=include_own_cell)
        if neighbours is None:
            if not exclusion.is_default:
                raise UsageError(
                    "--exclude-km and --include-own-cell work with --neighbours, found none; give "
                    "--neighbours, or leave them out"
                )
            return None
        out = path_of("neighbours", neighbours)
        if out.suffix.lower() != ".png":
            raise InputError(f"--neighbours must end in .png, found {out}; give another name")
        check_parents(out)
        return cls(out=out, exclusion=exclusion)

    def provenance(self, of_vectors: Provenance) -> Provenance:
        """Return the provenance of the picture, from that of the vectors."""
        options = {**of_vectors.options, **self.exclusion.record}
        return replace(of_vectors, command="embed --neighbours", options=options)

    def is_drawn(self, of_vectors: Provenance, *, inputs: Sequence[Path], overwrite: bool) -> bool:
        """Return whether the picture exists with the same provenance.

        Args:
            of_vectors: Provenance of the vectors.
            inputs: Folders that the picture must not replace.
            overwrite: Whether a picture with another provenance may be replaced.

        Raises:
            MinorTomError: As `is_up_to_date`.
        """
        return is_up_to_date(
            self.out, self.provenance(of_vectors), inputs=inputs, overwrite=overwrite,
            option="--neighbours",
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Queries:
    """Patches whose neighbours are shown, and the patches that may be among these.

    Axes, as name suffixes:
        q  queries    n  patches
    """

    number_q: NDArray[np.int64]
    stays_qn: NDArray[np.bool_]

    @classmethod
    def of(cls, data: ShardSet, exclusion: Exclusion) -> "Queries":
        """Choose patches of different strata.

        Raises:
            InputError: If no patch has a neighbour that is not left out.
        """
        strata = data.metadata(["stratum"])["stratum"].to_pylist()
        number_q = choose_queries(strata, _NUM_QUERIES)
        stays_qn = exclusion.stays(data, number_q.tolist())
        if not stays_qn.any():
            raise exclusion.nothing_left(data, "any patch")
        return cls(number_q=number_q, stays_qn=stays_qn)


def nearest(
    vector_nD: NDArray[np.float32], queries: Queries, count: int
) -> list[list[tuple[int, float]]]:
    """Return the nearest patches of each query by cosine that are not left out, nearest first.

    The mean vector is subtracted first: all [CLS] vectors have it in common, so that all cosines
    would be near 1.

    Args:
        vector_nD: A vector for each patch.
        queries: The queries.
        count: Neighbours of each query; fewer where fewer patches stay.

    Returns:
        Of each query the numbers and cosines of its neighbours.
    """
    centred = vector_nD - vector_nD.mean(0)
    unit = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    cosine_qn = unit[queries.number_q] @ unit.T
    found = []
    for cosine_n, stays_n in zip(cosine_qn, queries.stays_qn, strict=True):
        order = np.argsort(-cosine_n, kind="stable")
        some = order[stays_n[order]][:count]
        found.append(list(zip(some.tolist(), cosine_n[some].tolist(), strict=True)))
    return found


def choose_queries(groups: list[str], count: int) -> NDArray[np.int64]:
    """Return numbers of samples, taken from each group in turn until `count` are chosen."""
    turns: dict[str, int] = {}
    keys = []
    for number, group in enumerate(groups):
        turn = turns[group] = turns.get(group, -1) + 1
        keys.append((turn, number))
    order = sorted(range(len(groups)), key=lambda number: keys[number])
    return np.array(sorted(order[:count], key=lambda number: (groups[number], number)), np.int64)


def draw_neighbours(
    data: ShardSet, vector_nD: NDArray[np.float32], queries: Queries, picture: NeighbourPicture,
    of_vectors: Provenance,
) -> None:  # fmt: skip
    """Draw some patches, one in each row, with their nearest neighbours, as a PNG.

    Each patch has a picture in true colour and, to its right, one of radar (red VV, green VH, blue
    their difference). The caption names its cell, its row and column, climate and land cover.

    Args:
        data: Shards that the vectors were made from.
        vector_nD: A vector for each patch, in the order of the shards.
        queries: The patches in the first column.
        picture: PNG to write. Its provenance is the item `minortom` of its text.
        of_vectors: Provenance of the vectors.
    """
    rows = data.metadata(_CAPTION).to_pylist()
    found = nearest(vector_nD, queries, _NUM_NEIGHBOURS)
    sheet = _Sheet(len(found), 1 + max(map(len, found)))
    for line, query in enumerate(queries.number_q.tolist()):
        places = [(query, "query")]
        places += [(sample, f"cosine {cosine:.2f}") for sample, cosine in found[line]]
        for place, (sample, text) in enumerate(places):
            sheet.show(line, place, patch_pictures(data, sample), text, rows[sample])
    with atomic_file(picture.out) as temporary:
        record = {"Software": None, KEY: picture.provenance(of_vectors).to_json()}
        sheet.figure.savefig(temporary, format="png", dpi=_DPI, metadata=record)


class _Sheet:
    """Grid of pictures on one pair of axes, since a hundred pairs would take seconds to draw."""

    def __init__(self, num_lines: int, num_places: int) -> None:
        """Create an empty sheet; its unit of length is the side of a picture."""
        width, height = num_places * _PLACE_WIDTH, num_lines * _LINE_HEIGHT
        inches = _PICTURE_INCHES
        self.figure = Figure(figsize=(width * inches, height * inches))
        self._axes = self.figure.add_axes((0, 0, 1, 1))
        self._axes.set_axis_off()
        self._limits = (0, width), (height, 0)

    def show(
        self, line: int, place: int, pictures: tuple[Pixels, Pixels], text: str, row: Metadata
    ) -> None:
        """Draw the two pictures of a patch side by side, under its caption."""
        left, top = place * _PLACE_WIDTH + 0.1, (line + 1) * _LINE_HEIGHT - 1.05
        for number, pixels in enumerate(pictures):
            side = left + number * 1.02
            extent = (side, side + 1, top + 1, top)
            self._axes.imshow(pixels, extent=extent, interpolation="nearest", aspect="equal")
        where = f"{row['grid_cell']}, row {row['patch_row']}, column {row['patch_col']}"
        caption = f"{text}\n{where}\n{row['climate']}, {row['landcover']}"
        self._axes.text(left, top - 0.04, caption, fontsize=7, va="bottom")
        # imshow changes the limits.
        self._axes.set_xlim(*self._limits[0])
        self._axes.set_ylim(*self._limits[1])
