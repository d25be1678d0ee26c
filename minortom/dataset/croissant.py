"""Machine-readable description of a data set: ``croissant.json``, JSON-LD of Croissant 1.1.

See https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html. It repeats ``dataset.json``
in the vocabulary of data set searches and loaders: files and columns, splits, the provenance in
the terms of PROV-O, and the conditions of use.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from minortom.io.provenance import KEY, licences_in
from minortom.sensors import BandGroup
from minortom.shards.formats import Codec
from minortom.shards.layout import SCHEMA_VERSION, SampleSpec, spec_of
from minortom.shards.pixel_credit import pixel_credit

CROISSANT = "croissant.json"
RECORDS = "patches"
"""Name of the record set."""
SPLITS = "splits"
"""Name of the record set with the names of the splits."""

_PARQUET = "application/x-parquet"
_MEANINGS = {"train": "cr:TrainingSplit", "val": "cr:ValidationSplit", "test": "cr:TestSplit"}
"""Split -> its term in the vocabulary."""
# The context of the specification, and two terms that mlcroissant expects beside it.
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "annotation": "cr:annotation",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "excludes": "cr:excludes",
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "prov": "http://www.w3.org/ns/prov#",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "readLines": "cr:readLines",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "sdVersion": "cr:sdVersion",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
    "unArchive": "cr:unArchive",
    "value": "cr:value",
}
_KEY = ("grid_cell", "patch_row", "patch_col")
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
    spec, made = spec_of(record), record[KEY]
    credit = pixel_credit(licences_in(made))
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": name,
        "description": (
            f"Pairs of Sentinel-1 and Sentinel-2 patches of {spec.patch_px} x {spec.patch_px} "
            f"pixels of 10 m on the Major TOM grid; {credit.attribution}."
        ),
        "url": url,
        "license": credit.licence_url,
        "version": f"{SCHEMA_VERSION}.0.0",
        **({} if credit.citation is None else {"citeAs": credit.citation}),
        "usageInfo": [{"@type": "CreativeWork", "text": line} for line in licences_in(made)],
        **_provenance(made),
        "distribution": _distribution(record["shards"], url),
        "recordSet": [_patches(spec), _splits(list(record.get("splits", {})))],
    }


def _distribution(shards: Sequence[Mapping[str, Any]], url: str) -> list[dict[str, object]]:
    """Return the repository, each file of shards, and the set of these files."""
    return [
        {
            "@type": "cr:FileObject", "@id": "repository", "name": "repository",
            "description": "The repository that holds all files.", "contentUrl": url,
            "encodingFormat": "git+https",
            # A repository has no hash; the authors of the specification ask for this value.
            "sha256": "https://github.com/mlcommons/croissant/issues/80",
        },
        *(_file(entry) for entry in shards),
        {
            "@type": "cr:FileSet", "@id": "shards", "name": "shards",
            "description": "The files with the patches.",
            "containedIn": {"@id": "repository"}, "encodingFormat": _PARQUET,
            "includes": [entry["file"] for entry in shards],
        },
    ]  # fmt: skip


def _patches(spec: SampleSpec) -> dict[str, object]:
    """Return the record set of the pairs of patches: tensors, then metadata columns."""
    tensors = [_tensor_field(group, spec.patch_px, spec.codec) for group in spec.groups]
    units = {column.name: column.unit for column in spec.further if column.unit}
    references = {"split": {"references": {"field": {"@id": f"{SPLITS}/name"}}}}
    others = [
        _field(column.name, _type_of(column.type))
        | _described(units.get(column.name))
        | references.get(column.name, {})
        for column in spec.metadata_schema
    ]
    return {
        "@type": "cr:RecordSet", "@id": RECORDS, "name": RECORDS,
        "description": "One record a pair of patches.",
        "key": [{"@id": f"{RECORDS}/{name}"} for name in _KEY],
        "field": [*tensors, *others],
    }  # fmt: skip


def _provenance(made: Mapping[str, Any]) -> dict[str, object]:
    """Return the command that made the data set, and the hashes of its inputs."""
    return {
        "prov:wasGeneratedBy": {
            "@type": "prov:Activity", "prov:label": f"minortom {made['command']}",
            "prov:wasAssociatedWith": {
                "@type": "prov:SoftwareAgent", "prov:label": f"minortom {made['version']}"
            },
        },
        "prov:wasDerivedFrom": [
            {"@type": "prov:Entity", "prov:label": role, "sha256": digest}
            for role, digest in sorted(made.get("inputs", {}).items())
        ],
    }  # fmt: skip


def _splits(names: Sequence[str]) -> dict[str, object]:
    """Return the record set of the splits, with the meaning of the usual names."""
    fields = [(f"{SPLITS}/name", "sc:Text"), (f"{SPLITS}/url", "sc:URL")]
    return {
        "@type": "cr:RecordSet", "@id": SPLITS, "name": SPLITS, "dataType": "cr:Split",
        "description": "The splits of the data set.", "key": {"@id": f"{SPLITS}/name"},
        "field": [
            {"@type": "cr:Field", "@id": name, "name": name, "dataType": kind}
            for name, kind in fields
        ],
        "data": [
            {f"{SPLITS}/name": name, f"{SPLITS}/url": _MEANINGS.get(name, "cr:Split")}
            for name in names
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
