"""Candidates of an ensemble: extractors by name, and their vectors of the training images."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from csmoe_model.choices import SensorChoice
from csmoe_model.data.bands import channels
from csmoe_model.datasets.base import LabelledSet
from csmoe_model.extractors.extractor import Extractor
from csmoe_model.extractors.load import RESERVED, load_extractor
from csmoe_model.extractors.map_images import choose_sensors
from minortom.api.arguments import path_of, several
from minortom.errors import InputError
from minortom.sensors import SensorName

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_RUN_WEIGHTS = "model"
"""Folder of the weights in a run, which has the name of the run."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """An extractor that may become a member."""

    name: str
    extractor: Extractor
    """Not yet fitted if it has a fit step."""
    sensors: tuple[SensorName, ...]
    """Sensors whose images it encodes."""


def named_extractors(given: Sequence[str | Path]) -> dict[str, Extractor]:
    """Load extractors, given as `EXTRACTOR` or `NAME=EXTRACTOR`, by their names.

    Raises:
        InputError: If there are none, a name is not valid or occurs twice, or an extractor
            cannot be loaded.
    """
    arguments = several("extractors", given, expected="EXTRACTOR or NAME=EXTRACTOR")
    if not arguments:
        raise InputError(
            "expected at least one extractor, found none; give EXTRACTOR or NAME=EXTRACTOR"
        )
    found: dict[str, Extractor] = {}
    for argument in arguments:
        name, extractor = _named(argument)
        if name in found:
            raise InputError(
                f"expected members of different names, found {name} twice; give one as "
                f"NAME={extractor}"
            )
        found[name] = load_extractor(extractor)
    return found


def extractor_hashes(extractors: Mapping[str, Extractor]) -> dict[str, str]:
    """Return the SHA-256 of each extractor, for the inputs of a provenance.

    The key is `extractor NAME`, since a member may have the name of another input, such as `data`.
    """
    return {f"extractor {name}": extractor.sha256 for name, extractor in extractors.items()}


def _named(argument: str | Path) -> tuple[str, str | Path]:
    """Return the name and the extractor of an argument."""
    name, sign, rest = str(argument).partition("=")
    if isinstance(argument, str) and sign and not Path(argument).exists():
        extractor: str | Path = rest
    elif isinstance(argument, str) and argument in RESERVED:
        return argument, argument
    else:
        folder = path_of("extractors", argument).absolute()
        name = (folder.parent if folder.name == _RUN_WEIGHTS else folder).name
        extractor = argument
    if not _NAME.fullmatch(name) or not extractor:
        raise InputError(
            "the name of a member must consist of letters, digits, dots, hyphens and underscores, "
            f"found {name!r} of {argument}; give NAME=EXTRACTOR"
        )
    return name, extractor


def candidates_for(
    extractors: Mapping[str, Extractor], data: LabelledSet, sensor: SensorChoice | None
) -> list[Candidate]:
    """Return the candidates, each with the sensors that it shares with the set.

    Raises:
        InputError: If an extractor reads a sensor or a band that the set lacks.
    """
    found = []
    for name, extractor in extractors.items():
        wanted = sensor
        if sensor == "both" and len(extractor.sensors) == 1:
            wanted = extractor.sensors[0]  # the other members encode the other sensor
        sensors = choose_sensors(extractor, data, wanted)
        for one in sensors:
            channels(one, data.bands[one], wanted=extractor.bands[one])
        found.append(Candidate(name=name, extractor=extractor, sensors=sensors))
    return found
