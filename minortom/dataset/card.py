"""The data set card, README.md, for people and for the Hugging Face hub."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from minortom.io.markdown import markdown_code, markdown_text
from minortom.io.provenance import KEY, licences_in
from minortom.maps.manifests import load_manifest, manifest_paths
from minortom.shards.formats import Codec, Format
from minortom.shards.layout import ALL_BANDS, SampleSpec, spec_of
from minortom.shards.pixel_credit import pixel_credit

CARD = "README.md"

_DTYPE_CODES = {"uint16": "<u2", "int16": "<i2"}
_SIZES = (
    (10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"), (10**8, "10M<n<100M"), (10**9, "100M<n<1B"),
)  # fmt: skip
_LARGEST = "1B<n<10B"
_TABLE = (
    ("tiles", "tiles"), ("strata", "strata"), ("underfull", "strata with too few tiles"),
    ("nn_km", "to the nearest tile, km"), ("within_km", "between tiles of a stratum, km"),
    ("cover_km", "to a chosen tile of the stratum, km"), ("balance", "spatial imbalance"),
)  # fmt: skip


def data_card(
    record: Mapping[str, Any],
    *,
    place: str = "shards",
    picture: str = "",
    report: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Return the card of a data set as Markdown; the same record gives the same card.

    Args:
        record: All of ``dataset.json``.
        place: Argument of ``load_dataset`` on the card: a folder or a repository of the hub.
        picture: File name of the map of the tiles; empty for no map.
        report: ``rows`` of the report's ``metrics.json``, one for each set of tiles.
    """
    spec, made = spec_of(record), record[KEY]
    splits = files_by_split(record)
    num_samples = sum(int(entry["rows"]) for entry in record["shards"])
    return _template().render(
        size_category=size_category(num_samples),
        splits=splits,
        num_samples=num_samples,
        num_tiles=(record.get("export") or {}).get("tiles"),
        patch_px=spec.patch_px,
        patches=record.get("splits", {}),
        credit=pixel_credit(licences_in(made)),
        picture=picture,
        groups=spec.groups,
        further=spec.further,
        codes=_DTYPE_CODES,
        first_shard=next(entry["file"] for entry in record["shards"] if entry["rows"]),
        place=place,
        codec=str(spec.codec),
        is_tar=spec.format == Format.WEBDATASET,
        fn_kwargs=_fn_kwargs(spec),
        table=_table(report),
        made={
            "command": made.get("command"), "version": made.get("version"),
            "seed": made.get("seed"), "licences": licences_in(made),
            "options": {name: _shown(value) for name, value in made.get("options", {}).items()},
            "inputs": made.get("inputs", {}),
        },
        citations=citations(licences_in(made)),
    )  # fmt: skip


def files_by_split(record: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the names of the shards of each split, ``train`` first.

    Older exports wrote shards with several splits. These are all listed under ``train``, the
    default split of the ``datasets`` library.
    """
    found: dict[str, list[str]] = {}
    filled = [entry for entry in record["shards"] if entry["rows"]]
    if not all(entry.get("split") for entry in filled):
        return {"train": [entry["file"] for entry in filled]}
    for entry in filled:
        found.setdefault(entry["split"], []).append(entry["file"])
    usual = [name for name in ("train", "val", "test") if name in found]
    return {name: found[name] for name in (*usual, *sorted(set(found) - set(usual)))}


def size_category(num_samples: int) -> str:
    """Return the size category of the hub for a number of samples."""
    return next((words for limit, words in _SIZES if num_samples < limit), _LARGEST)


def citations(licences: Sequence[str]) -> list[str]:
    """Return the citations of the pixels, and of the maps that the licences name."""
    manifests = [load_manifest(path) for path in manifest_paths()]
    maps = [m.citation for m in manifests if m.credit() in licences]
    pixels = pixel_credit(licences).citation
    return maps if pixels is None else [pixels, *maps]


@cache
def _template() -> Template:
    # Markdown, not HTML: `finalize` escapes every text, and only a Markup stays as it is.
    environment = Environment(  # noqa: S701
        loader=PackageLoader("minortom.dataset"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        finalize=_escaped,
    )
    environment.filters["code"] = _code
    environment.filters["literal"] = _literal
    return environment.get_template("card.md.j2")


def _escaped(value: object) -> object:
    return markdown_text(value) if isinstance(value, str) and type(value) is not Markup else value


def _code(value: object) -> Markup:
    return Markup(markdown_code(value))  # noqa: S704  # Markdown, escaped


def _literal(value: object) -> Markup:
    """Return a value for the example: Python reads the literals of JSON, each in one line."""
    return Markup(json.dumps(value, ensure_ascii=False))  # noqa: S704  # in a block of code


def _fn_kwargs(spec: SampleSpec) -> str:
    """Return the arguments of ``decode`` where the bands or the codec are not the default."""
    given: dict[str, object] = {}
    if spec.bands != ALL_BANDS:
        given["bands"] = list(spec.bands)
    if spec.codec != Codec.NONE:
        given["codec"] = str(spec.codec)
    return Markup(f", fn_kwargs={json.dumps(given)}" if given else "")  # noqa: S704  # in a block of code


def _table(report: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Lay out the rows of the report, one for each set of tiles, as in Table II of the paper."""
    if not report:
        return []
    head = ["set", *(title for _, title in _TABLE)]
    return [head, *([str(row["set"]), *(_number(row.get(n)) for n, _ in _TABLE)] for row in report)]


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
