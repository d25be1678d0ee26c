"""Machine-readable description of a data set: ``croissant.json``, JSON-LD of Croissant 1.0.

See https://docs.mlcommons.org/croissant/docs/croissant-spec.html. It repeats ``dataset.json`` in
the vocabulary of data set searches and loaders.
"""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from minortom.dataset.card import MAJOR_TOM
from minortom.sensors import BandGroup
from minortom.shards.formats import Codec
from minortom.shards.layout import ATTRIBUTION, SCHEMA_VERSION, spec_of

CROISSANT = "croissant.json"
RECORDS = "patches"
"""Name of the record set."""

_PARQUET = "application/x-parquet"
_LICENCE_URL = "https://creativecommons.org/licenses/by-sa/4.0/"
# The context of the specification, as far as it is used here.
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_TYPES = (
    (pa.types.is_integer, "sc:Integer"), (pa.types.is_floating, "sc:Float"),
    (pa.types.is_timestamp, "sc:DateTime"), (pa.types.is_string, "sc:Text"),
)  # fmt: skip


def croissant_record(record: Mapping[str, Any], *, name: str, url: str) -> dict[str, object]:
    """Return the description of a data set; the same record gives the same description.

    Args:
        record: All of ``dataset.json``.
        name: Name of the data set.
        url: Address of the repository.
    """
    spec = spec_of(record)
    tensors = [_tensor_field(group, spec.patch_px, spec.codec) for group in spec.groups]
    others = [_field(column.name, _type_of(column.type)) for column in spec.metadata_schema]
    units = {column.name: column.unit for column in spec.further if column.unit}
    others = [of | _described(units.get(str(of["name"]))) for of in others]
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": name,
        "description": (
            f"Pairs of Sentinel-1 and Sentinel-2 patches of {spec.patch_px} x {spec.patch_px} "
            f"pixels of 10 m on the Major TOM grid; {ATTRIBUTION}."
        ),
        "url": url,
        "license": _LICENCE_URL,
        "version": f"{SCHEMA_VERSION}.0.0",
        "citeAs": MAJOR_TOM,
        "distribution": [
            {
                "@type": "cr:FileObject", "@id": "repository", "name": "repository",
                "description": "The repository that holds all files.", "contentUrl": url,
                "encodingFormat": "git+https",
                # A repository has no hash; the authors of the specification ask for this value.
                "sha256": "https://github.com/mlcommons/croissant/issues/80",
            },
            *(_file(entry) for entry in record["shards"]),
            {
                "@type": "cr:FileSet", "@id": "shards", "name": "shards",
                "description": "The files with the patches.",
                "containedIn": {"@id": "repository"}, "encodingFormat": _PARQUET,
                "includes": [entry["file"] for entry in record["shards"]],
            },
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet", "@id": RECORDS, "name": RECORDS,
                "description": "One record a pair of patches.", "field": [*tensors, *others],
            }
        ],
    }  # fmt: skip


def _file(entry: Mapping[str, Any]) -> dict[str, object]:
    return {
        "@type": "cr:FileObject", "@id": entry["file"], "name": entry["file"],
        "containedIn": {"@id": "repository"}, "contentUrl": entry["file"],
        "contentSize": f"{entry['bytes']} B", "encodingFormat": _PARQUET,
        "sha256": entry["sha256"],
    }  # fmt: skip


def _tensor_field(group: BandGroup, patch_px: int, codec: Codec) -> dict[str, object]:
    shape = " x ".join(map(str, group.shape(patch_px)))
    packed = "" if codec == Codec.NONE else f", packed with {codec}"
    field = _field(group.column, "sc:Text")  # the type of the vocabulary for bytes
    return field | {
        "description": (
            f"Bytes of a little-endian {group.dtype} array {shape} (band, row from north, column "
            f"from west){packed}; bands {' '.join(group.bands)}; {group.unit} = value x "
            f"{group.scale:g}."
        )
    }


def _field(name: str, data_type: str) -> dict[str, object]:
    return {
        "@type": "cr:Field", "@id": f"{RECORDS}/{name}", "name": name, "dataType": data_type,
        "source": {"fileSet": {"@id": "shards"}, "extract": {"column": name}},
    }  # fmt: skip


def _described(unit: str | None) -> dict[str, object]:
    return {} if unit is None else {"description": f"Value of the tile in {unit}."}


def _type_of(kind: pa.DataType) -> str:
    return next(name for is_kind, name in _TYPES if is_kind(kind))
