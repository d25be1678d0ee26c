"""The rasters of ``--held-out``: their names, bands and legends, and their values at the tiles."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minortom.api.arguments import name_and_value
from minortom.errors import InputError
from minortom.io.provenance import sha256_of
from minortom.maps.continuous import ContinuousRaster
from minortom.maps.descriptor import Descriptor
from minortom.maps.manifests import find_legend
from minortom.progress import OnProgress, ignore_progress
from minortom.reporting.held_out import HeldOutClasses, HeldOutVariables, IntArray
from minortom.sampling.strata import Tiles

_EXPECTED = "expected --held-out NAME=RASTER or NAME=RASTER:BAND with each name once"

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class HeldOutRaster:
    """A raster that the selection did not use.

    Raises:
        InputError: If there is a legend and a band.
    """

    name: str
    raster: ContinuousRaster
    legend: str | None = None
    """Name of the legend, or path of a file with one; None for a continuous raster."""

    def __post_init__(self) -> None:
        if self.legend is not None and self.raster.band is not None:
            raise InputError(
                f"--held-out {self.name}: a raster of classes has one band, found the band "
                f"{self.raster.band}; leave it out"
            )

    def descriptor(self) -> Descriptor:
        """Return a raster of classes with its legend.

        Raises:
            InputError: If there is no such legend.
        """
        assert self.legend is not None
        return Descriptor.of(self.raster.path, find_legend(self.legend))

    def hashes(self) -> dict[str, str]:
        """Return the SHA-256 of the raster and of its legend, by the role of the file."""
        found = {f"held_out {self.name}": self.raster.hash()}
        if self.legend is not None:
            found[f"held_out_legend {self.name}"] = sha256_of(self.descriptor().legend_path)
        return found

    def as_options(self) -> dict[str, object]:
        """Return the options that change the result, for the provenance."""
        legend = None if self.legend is None else self.descriptor().legend
        return {"band": self.raster.band, "legend": legend}

    @property
    def files(self) -> tuple[Path, ...]:
        """Return the files that the raster and the legend may name."""
        return (self.raster.path, *([] if self.legend is None else [Path(self.legend)]))

    def credit_lines(self) -> list[str]:
        """Return the line about licence and attribution, if the raster or its manifest has one."""
        if self.legend is not None:
            return [self.descriptor().credit()]
        credit = self.raster.credit()
        return [] if credit is None else [credit]


@dataclass(frozen=True, kw_only=True, eq=False)
class Yardstick:
    """Held-out data at the tiles: all continuous rasters together, or one raster of classes."""

    names: tuple[str, ...]
    """Names of the rasters."""
    values: HeldOutVariables | HeldOutClasses
    tiles: int
    """Tiles of large strata with a value in all of the rasters."""
    missing: int
    """Tiles of large strata without."""
    empty_strata: int
    """Large strata in which no tile has a value."""

    @property
    def is_continuous(self) -> bool:
        """Return whether the rasters are continuous."""
        return isinstance(self.values, HeldOutVariables)

    def as_dict(self) -> dict[str, object]:
        """Return the names and the counts, as in ``metrics.json``."""
        return {
            "rasters": list(self.names), "strata": len(self.values.rows), "tiles": self.tiles,
            "tiles_without_value": self.missing, "strata_without_value": self.empty_strata,
        }  # fmt: skip


def parse_held_out(texts: Sequence[str], legends: Sequence[str]) -> tuple[HeldOutRaster, ...]:
    """Parse ``NAME=RASTER[:BAND]`` and ``NAME=LEGEND``.

    Raises:
        InputError: If a text has another form, a name is repeated, a legend has no raster, or a
            file does not exist.
    """
    of_name: dict[str, str] = {}
    for text in legends:
        name, legend = name_and_value("--held-out-legend", text, form="NAME=LEGEND")
        if name in of_name:
            raise InputError(
                f"expected --held-out-legend NAME=LEGEND with each name once, found {name!r} "
                "twice; remove one"
            )
        of_name[name] = legend
    rasters: dict[str, HeldOutRaster] = {}
    for text in texts:
        name, place = name_and_value("--held-out", text, form="NAME=RASTER or NAME=RASTER:BAND")
        if name in rasters:
            raise InputError(f"{_EXPECTED}, found {name!r} twice; give another name")
        raster = ContinuousRaster.parse(f"--held-out {name}", place)
        rasters[name] = HeldOutRaster(name=name, raster=raster, legend=of_name.get(name))
    alone = [name for name in of_name if name not in rasters]
    if alone:
        raise InputError(
            f"--held-out-legend {alone[0]}={of_name[alone[0]]} has no raster; give --held-out "
            f"{alone[0]}=RASTER too"
        )
    return tuple(rasters.values())


def read_yardsticks(
    rasters: Sequence[HeldOutRaster],
    tiles: Tiles,
    lon_deg: FloatArray,
    lat_deg: FloatArray,
    wanted: IntArray,
    *,
    on_progress: OnProgress = ignore_progress,
) -> tuple[Yardstick, ...]:
    """Read rasters at the centres of all tiles [n].

    Raises:
        InputError: If no stratum is large, a raster cannot be read, or no tile of a large stratum
            has a value.
    """
    large = tiles.strata.sizes > wanted
    if rasters and not large.any():
        raise InputError(
            "--held-out needs a stratum with more tiles than requested, found none; without a "
            "choice there is nothing to measure"
        )
    found = []
    continuous = [raster for raster in rasters if raster.legend is None]
    if continuous:
        values = np.stack(
            [
                raster.raster.values_at(lon_deg, lat_deg, on_progress=on_progress)
                for raster in continuous
            ],
            axis=1,
        )
        names = tuple(raster.name for raster in continuous)
        found.append(_yardstick(names, HeldOutVariables.of(tiles, values, wanted), large))
    for raster in rasters:
        if raster.legend is not None:
            codes = raster.descriptor().codes_at(lon_deg, lat_deg, on_progress=on_progress)
            classes = HeldOutClasses.of(tiles, codes, wanted)
            found.append(_yardstick((raster.name,), classes, large))
    return tuple(found)


def _yardstick(
    names: tuple[str, ...], values: HeldOutVariables | HeldOutClasses, large: NDArray[np.bool_]
) -> Yardstick:
    with_value = sum(map(len, values.rows.values()))
    if not with_value:
        raise InputError(
            f"--held-out {', '.join(names)}: expected a value at some tile of a stratum with more "
            "tiles than requested, found none; give rasters that cover the tiles"
        )
    total = int(values.tiles.strata.sizes[large].sum())
    return Yardstick(
        names=names, values=values, tiles=with_value, missing=total - with_value,
        empty_strata=int(large.sum()) - len(values.rows),
    )  # fmt: skip
