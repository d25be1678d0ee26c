"""Queries of a search: a user's image, or a patch of the shards.

Axes, as name suffixes:
    D  token width    C  bands    H W  pixel rows and columns
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from csmoe_model.data.bands import channels
from csmoe_model.datasets.image_folder import ImageBands
from csmoe_model.datasets.open_set import BandNames, parse_bands
from csmoe_model.extractors.extractor import Extractor
from csmoe_model.extractors.load import load_extractor
from csmoe_model.retrieval.search_page import Card
from minortom.api.arguments import path_of, several
from minortom.errors import InputError, UsageError
from minortom.plotting.patch_pictures import picture
from minortom.scenes.radiometry import GivenOffset, parse_offset
from minortom.sensors import MODEL_BANDS, S2_10M, SensorName
from minortom.shards.shard_set import ShardSet

if TYPE_CHECKING:
    from minortom.scenes.image_reader import ImageReader, Role

Images = str | Path | Sequence[str | Path]
"""One GeoTIFF; or two, Sentinel-2 and then Sentinel-1."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageQuery:
    """A user's image, and the model that made the embeddings."""

    checkpoint: str | Path
    files: tuple[Path, ...]
    inputs: tuple[Path, ...]
    """Files that the image depends on; those of its bands where they are separate files."""
    bands: ImageBands
    """By sensor the names of the bands, and their pixels [C, H, W]."""
    reader: "ImageReader"
    """Reader of the image, which has the conversions of its values."""

    @classmethod
    def read(
        cls,
        image: Images,
        checkpoint: str | Path,
        *,
        s2_bands: BandNames | None = None,
        s1_bands: BandNames | None = None,
        s2_offset: GivenOffset = "auto",
    ) -> "ImageQuery":
        """Read an image from one GeoTIFF or two, or from folders with a file for each band.

        Args:
            image: Files of the image.
            checkpoint: Model that made the embeddings.
            s2_bands: Names of the Sentinel-2 bands; the names in the files when None.
            s1_bands: Names of the Sentinel-1 bands, as for `s2_bands`.
            s2_offset: Offset to subtract from Sentinel-2 values without offset tags, in
                reflectance × 10,000; `auto` takes it from the name of the product.

        Raises:
            UsageError: If there are more than two files.
            InputError: If a file cannot be read, or its bands have no names.
        """
        # Imported here so that a search for a patch does not load rasterio.
        from minortom.scenes.image_reader import ImageReader

        files = image_files(image)
        reader = ImageReader(
            s2_bands=parse_bands(s2_bands), s1_bands=parse_bands(s1_bands),
            s2_offset=parse_offset(s2_offset), all_bands=True,
        )  # fmt: skip
        roles: dict[Role, Path] = (
            {"file": files[0]} if len(files) == 1 else {"s2": files[0], "s1": files[1]}
        )
        fitted = reader.fitted([roles], files[0])
        return cls(
            checkpoint=checkpoint, files=files, bands=fitted(roles), reader=fitted,
            inputs=tuple(file for path in files for file in fitted.files(path)),
        )  # fmt: skip

    def encode(self, sensor: str, *, weights_sha256: str) -> tuple[NDArray[np.float32], Card]:
        """Encode the image with the model that made the embeddings.

        Args:
            sensor: `s2`, `s1`, or `both` for the mean of the two vectors.
            weights_sha256: Hash of the weights that made the embeddings.

        Returns:
            The vector [D], and the image as the page shows it.

        Raises:
            InputError: If the checkpoint is another one, or the image has no bands of the sensor.
        """
        extractor = load_extractor(self.checkpoint)
        if weights_sha256 != extractor.sha256:
            raise InputError(
                f"expected the checkpoint that made the embeddings, found another one in "
                f"{self.checkpoint}; give that checkpoint, or embed the shards with this one"
            )
        sensors: tuple[SensorName, ...] = ("s2", "s1")
        wanted = [name for name in sensors if sensor in (name, "both")]
        missing = [name for name in wanted if name not in self.bands]
        if missing:
            raise InputError(
                f"expected an image with bands of {' and '.join(missing)}, found bands of "
                f"{', '.join(self.bands)}; give another --sensor, or the file of the other sensor"
            )
        views = extractor.views(wanted).values()
        vectors = [_encode(extractor, of_view, self.bands) for of_view in views]
        self.reader.report()
        card = Card(
            columns={"file": ", ".join(path.name for path in self.files)},
            pictures={name: _picture(name, self.bands) for name in self.bands}, cosine=None,
        )  # fmt: skip
        mean_D: NDArray[np.float32] = np.mean(vectors, axis=0)
        return mean_D, card


@dataclass(frozen=True, kw_only=True)
class PatchQuery:
    """A patch of the shards: its number, or its cell with its row and column in the cell."""

    patch: int | tuple[str, int, int]

    def __str__(self) -> str:
        return str(self.patch) if isinstance(self.patch, int) else _named(self.patch)

    @classmethod
    def parse(cls, like: str | int) -> "PatchQuery":
        """Read a patch: its number from 0, or cell, row and column as in `433D_629L:3:1`.

        Raises:
            InputError: If the text has another form.
        """
        text = str(like)
        try:
            if text.isdecimal():
                return cls(patch=int(text))
            cell, row, col = text.split(":")
            return cls(patch=(cell, int(row), int(col)))
        except ValueError:
            raise InputError(
                "--like must be the number of a patch in the shards, such as 0, or a cell, a row "
                f"and a column, such as 433D_629L:3:1, found {text}"
            ) from None

    def position(self, data: ShardSet) -> int:
        """Return the number of the patch in the shards.

        Raises:
            InputError: If the shards do not have the patch.
        """
        count = len(data)
        if isinstance(self.patch, int):
            if self.patch < count:
                return self.patch
            raise InputError(
                f"--like must be a number from 0 to {count - 1:,}, since {data.folder} has "
                f"{count:,} patches, found {self}"
            )
        table = data.metadata(["grid_cell", "patch_row", "patch_col"])
        columns = [table[name].to_numpy() for name in table.column_names]
        of_cell = columns[0] == self.patch[0]
        found = np.flatnonzero(
            of_cell & (columns[1] == self.patch[1]) & (columns[2] == self.patch[2])
        )
        if len(found):
            return int(found[0])
        other = int(np.argmax(of_cell))  # 0 if there is no patch of the cell
        what = "other patches of that cell" if of_cell.any() else "no patch of that cell"
        raise InputError(
            f"--like must be a patch of {data.folder}, found {self}, but the shards have "
            f"{what}; give {_named(tuple(column[other] for column in columns))}, or the number "
            "of a patch"
        )


def _named(patch: tuple[str, int, int]) -> str:
    """Return a cell, a row and a column as text such as `433D_629L:3:1`."""
    return ":".join(str(value) for value in patch)


def image_files(image: Images) -> tuple[Path, ...]:
    """Return the files of an image, one or two.

    Raises:
        UsageError: If there are none, or more than two.
        InputError: If one is not a path.
    """
    given = several("image", image, expected="a path (str or Path)")
    if len(given) not in (1, 2):
        raise UsageError(
            f"--image takes one file, or two: Sentinel-2, then Sentinel-1; found {len(given)}"
        )
    return tuple(path_of("image", path) for path in given)


def _encode(
    extractor: Extractor, sensors: Sequence[SensorName], image: ImageBands
) -> NDArray[np.float32]:
    found = extractor(
        {sensor: image[sensor][1][None] for sensor in sensors},
        bands={sensor: image[sensor][0] for sensor in sensors},
    )
    first: NDArray[np.float32] = found[0].float().cpu().numpy()
    return first


def _picture(sensor: SensorName, bands: ImageBands) -> NDArray[np.float32]:
    names, pixels_CHW = bands[sensor]
    picked = pixels_CHW[channels(sensor, names)]
    scale = S2_10M.scale if sensor == "s2" else 1.0
    return picture(sensor, dict(zip(MODEL_BANDS[sensor], picked * np.float32(scale), strict=True)))
