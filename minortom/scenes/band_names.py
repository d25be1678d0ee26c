"""Names of bands as sensors, catalogues and exporters write them.

Case, spaces and punctuation do not matter, and neither does text after a comma:
`B2, central wavelength 490 nm` is `B02`, `Gamma0_VV_db` is `vv`, `RED_EDGE_1` is `B05`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from minortom.errors import InputError
from minortom.sensors import MODEL_BANDS, SensorName

SKIP = "-"
"""Name that a user gives to a band that is not to be read."""

_SPELLINGS: Mapping[SensorName, Mapping[str, str]] = {
    "s2": {
        "B01": "b1 coastal coastalaerosol aerosol aerosols ultrablue",
        "B02": "b2 blue",
        "B03": "b3 green",
        "B04": "b4 red",
        "B05": "b5 rededge1 rededge071 vegetationrededge1",
        "B06": "b6 rededge2 rededge075 vegetationrededge2",
        "B07": "b7 rededge3 rededge078 vegetationrededge3",
        "B08": "b8 nir nirbroad broadnir widenir",
        "B8A": "b08a nir08 nirnarrow narrownir rededge4",
        "B09": "b9 nir09 watervapor watervapour",
        "B10": "cirrus swircirrus",
        "B11": "swir1 swir16",
        "B12": "swir2 swir22",
    },
    "s1": {"vv": "", "vh": "", "hh": "", "hv": ""},
}
"""Other spellings of each band of a sensor: the common names of STAC, and the names of Earth
Engine, torchgeo and TerraTorch."""
_OTHER_BANDS = (
    "scl", "aot", "wvp", "cld", "clouds", "cloudmask", "cloudprobability", "snw",
    "snowprobability", "tci", "tcir", "tcig", "tcib", "visual", "preview", "qa10", "qa20", "qa60",
    "mskclassiopaque", "mskclassicirrus", "mskclassisnowice", "mskcldprb", "msksnwprb", "cs",
    "cscdf", "datamask", "mask", "valid", "nodata", "alpha", "angle", "incidenceangle",
    "localincidenceangle", "projectedlocalincidenceangle", "lia", "dem", "elevation", "ndvi",
)  # fmt: skip
"""Names of layers that come with images of the sensors and that the model does not read."""


@dataclass(frozen=True, kw_only=True)
class KnownBand:
    """Band that a name stands for."""

    name: str
    """As in `MODEL_BANDS`; for a layer that is no band of a sensor, its name in lower case."""
    sensor: SensorName | None
    """None for a layer that is no band of a sensor, such as a cloud mask."""

    @property
    def in_model(self) -> bool:
        """Return whether the model reads the band."""
        return self.sensor is not None and self.name in MODEL_BANDS[self.sensor]


def _table() -> Mapping[str, KnownBand]:
    found = {name: KnownBand(name=name, sensor=None) for name in _OTHER_BANDS}
    for sensor, bands in _SPELLINGS.items():
        for name, others in bands.items():
            band = KnownBand(name=name, sensor=sensor)
            found |= dict.fromkeys((name.lower(), *others.split()), band)
    return MappingProxyType(found)


_BANDS = _table()


def known_band(name: str) -> KnownBand | None:
    """Return the band that a name stands for; None if the name is unknown or names two bands."""
    tokens = re.findall(r"[a-z0-9]+", re.split(r"[,:;(]", str(name).lower())[0])
    joined = re.sub(r"^band(?=\d)", "b", "".join(tokens))
    if joined in _BANDS:
        return _BANDS[joined]
    # `S2_B02_10m` and `Sigma0_VV_db`: words that name a band beside others that name none. A
    # colour is no such word: `Red_Edge` names another band than `red`.
    named = [_BANDS[token] for token in tokens if token in _BANDS and _is_code(token)]
    return named[0] if len(set(named)) == 1 else None


def band_names(sensor: SensorName) -> tuple[str, ...]:
    """Return the names of all bands of a sensor, those of the model first."""
    others = [name for name in _SPELLINGS[sensor] if name not in MODEL_BANDS[sensor]]
    return (*MODEL_BANDS[sensor], *others)


@dataclass(frozen=True, kw_only=True)
class ChosenBands:
    """Bands of a file that the model reads, and the others."""

    numbers: Mapping[SensorName, tuple[int, ...]]
    """Numbers of the bands of each sensor that the file has, from 0."""
    left_out: tuple[str, ...]
    """Names of the other bands."""


def choose_bands(names: Sequence[str], sensor: SensorName | None = None) -> ChosenBands:
    """Choose the bands of a file that the model reads.

    Args:
        names: Names of the bands of the file, in order; `-` skips one.
        sensor: Sensor of the file; bands of both sensors are chosen when None.
    """
    numbers: dict[SensorName, list[int]] = {}
    left_out = []
    for number, name in enumerate(names):
        band = known_band(name)
        if band is None or not band.in_model or sensor not in (None, band.sensor):
            left_out.append(name)
        elif band.sensor is not None:
            numbers.setdefault(band.sensor, []).append(number)
    order = [one for one in MODEL_BANDS if one in numbers]
    return ChosenBands(
        numbers={one: tuple(numbers[one]) for one in order},
        left_out=tuple(name for name in left_out if name != SKIP),
    )


def missing_bands(
    sensor: SensorName, names: Sequence[str], *, wanted: Sequence[str] | None = None
) -> InputError | None:
    """Return the error for channels that lack bands of the model; None if they have all.

    Args:
        sensor: Sensor of the channels.
        names: Names of the channels.
        wanted: Bands of the model; `MODEL_BANDS` when None.
    """
    wanted = MODEL_BANDS[sensor] if wanted is None else wanted
    found = {band.name for band in map(known_band, names) if band is not None}
    missing = [band for band in wanted if band not in found]
    if not missing:
        return None
    return InputError(
        f"the model needs the {sensor} bands {' '.join(wanted)}, found "
        f"{' '.join(map(str, names)) or 'none'}; add {', '.join(missing)}"
    )


def _is_code(token: str) -> bool:
    return bool(re.fullmatch(r"b\d{1,2}a?|[vh]{2}|angle|scl|aot|wvp|qa\d0", token))
