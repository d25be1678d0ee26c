"""Examples in the `--help` of every command, on the files of `minortom demo planet/` and later."""

from collections.abc import Sequence

_SHARDS = "--data shards --root shards/"

_EXAMPLES = {
    "minortom": (
        "minortom quickstart",
        "minortom sample annotated.parquet --out selection.parquet --quiet",
    ),
    "minortom annotate": (
        (
            "minortom annotate planet/cells.txt --climate planet/climate.tif "
            "--landcover planet/landcover.tif --out annotated.parquet"
        ),
        (
            "minortom annotate --s2 planet/Core-S2L2A --s1 planet/Core-S1RTC --max-cloud 20 "
            "--climate koppen-geiger-2023 --landcover worldcover-2021 --out annotated.parquet"
        ),
    ),
    "minortom cluster": (
        "minortom cluster embeddings.parquet --k 5000,200 --out clusters.parquet",
        "minortom cluster new.parquet --centroids clusters.centroids.parquet --out more.parquet",
    ),
    "minortom sample": (
        "minortom sample annotated.parquet --per-stratum 100 --out selection.parquet",
        (
            "minortom sample annotated.parquet --tiles 5000 --reserves 10 --split 0.9,0.05,0.05 "
            "--out selection.parquet"
        ),
    ),
    "minortom report": (
        "minortom report selection.parquet --annotated annotated.parquet --out report/",
    ),
    "minortom export": (
        (
            "minortom export selection.parquet --s2 planet/Core-S2L2A --s1 planet/Core-S1RTC "
            "--missing skip --out shards/"
        ),
        (
            "minortom export selection.parquet --s2 hf://datasets/Major-TOM/Core-S2L2A "
            "--s1 hf://datasets/Major-TOM/Core-S1RTC --out shards/ --dry-run"
        ),
    ),
    "minortom label": (
        "minortom label shards/ --map planet/landcover.tif --out labels.parquet",
        "minortom label shards/ --map worldcover-2021 --out labels.parquet",
    ),
    "minortom verify": ("minortom verify shards/", "minortom verify shards/ --deep --json"),
    "minortom publish": (
        "minortom publish shards/ --repo user/name --preview card/",
        "minortom publish shards/ --repo user/name --report report/ --private",
    ),
    "minortom show": ("minortom show shards/ --out gallery.html --patches 48",),
    "minortom fetch": (
        "minortom fetch koppen-geiger-2023",
        "minortom fetch worldcover-2021 --region aoi.geojson",
    ),
    "minortom cells": (
        "minortom cells --region aoi.geojson --out cells.txt",
        "minortom cells --bbox 18,-35,19,-33",
    ),
    "minortom locate": (
        "minortom locate --lat -33.92 --lon 18.42",
        "minortom locate --points stations.csv --out located.parquet",
    ),
    "minortom demo": ("minortom demo planet/", "minortom demo smooth/ --field-km 800 --seed 7"),
    "minortom quickstart": ("minortom quickstart --out quickstart/",),
    "csmoe": (
        "csmoe train shards/ --recipe tiny --out run/",
        "csmoe embed run/ shards/ --out embeddings.parquet --log-file embed.log",
    ),
    "csmoe train": (
        "csmoe train shards/ --recipe tiny --steps 400 --out run/",
        "csmoe train shards/ --out run/ --resume",
    ),
    "csmoe-train": (
        "csmoe-train shards/ --recipe tiny --steps 400 --out run/",
        "csmoe-train shards/ --out run/ --resume",
    ),
    "csmoe info": ("csmoe info", "csmoe info --recipe csmoe-b16 --json", "csmoe info run/"),
    "csmoe embed": (
        "csmoe embed run/ shards/ --out embeddings.parquet --neighbours neighbours.png",
        "csmoe embed run/ scene.tif --out features.tif",
    ),
    "csmoe export": (
        "csmoe export run/ --sensor s2 --out encoder/",
        "csmoe export run/ --sensor s2 --format onnx --out onnx/",
    ),
    "csmoe probe": (
        f"csmoe probe run/ {_SHARDS} --label landcover --out probe/",
        f"csmoe probe run/ {_SHARDS} --label climate --split-by blocks --out climate/",
    ),
    "csmoe finetune": (
        f"csmoe finetune run/ {_SHARDS} --label landcover --sensor s2 --out tuned/",
    ),
    "csmoe predict": (
        "csmoe predict tuned/ shards/ --out predictions.parquet",
        "csmoe predict tuned/ scene.tif --out classes.tif",
    ),
    "csmoe compare": ("csmoe compare probe-0/ probe-1/ probe-2/ --out seeds/",),
    "csmoe retrieve": (f"csmoe retrieve run/ {_SHARDS} --label landcover --out retrieval/",),
    "csmoe search": (
        (
            "csmoe search embeddings.parquet --shards shards/ --html hits.html --image patch.tif "
            "--checkpoint run/"
        ),
        "csmoe search embeddings.parquet --shards shards/ --html hits.html --like 0",
    ),
    "csmoe prune": (
        "csmoe prune run/ --shards shards/ --sensor s2 --keep 4 --out small/",
        "csmoe prune run/ --shards shards/ --sensor s2 --keep 2 --recover 300 --out recovered/",
    ),
    "csmoe inspect": ("csmoe inspect run/ shards/ --out experts.html",),
    "csmoe plot": ("csmoe plot quality-cost probe/ --out quality-cost.png",),
    "csmoe plot quality-cost": ("csmoe plot quality-cost probe/ --out quality-cost.png",),
    "csmoe plot tokens": ("csmoe plot tokens cls/ mean/ both/ --out tokens.png",),
    "csmoe plot pruning": ("csmoe plot pruning small/ recovered/ --out pruning.png",),
    "csmoe plot epochs": (f"csmoe plot epochs run/ {_SHARDS} --out epochs.png",),
    "csmoe specialist": (
        f"csmoe specialist train {_SHARDS} --label climate --sensor s2 --out specialist/",
    ),
    "csmoe specialist train": (
        f"csmoe specialist train {_SHARDS} --label climate --sensor s2 --out specialist/",
    ),
    "csmoe ensemble": (f"csmoe ensemble build run/ specialist/ {_SHARDS} --out ensemble/",),
    "csmoe ensemble build": (
        (
            f"csmoe ensemble build run/ specialist/ random-convolutions {_SHARDS} --budget 2 "
            "--out ensemble/"
        ),
    ),
    "csmoe ensemble add": ("csmoe ensemble add ensemble/ other-specialist/ --out larger/",),
    "csmoe text": (
        "csmoe text train embeddings.parquet --shards shards/ --out text/",
        (
            "csmoe text search text/ embeddings.parquet 'cropland in winter' --shards shards/ "
            "--html hits.html"
        ),
    ),
    "csmoe text train": ("csmoe text train embeddings.parquet --shards shards/ --out text/",),
    "csmoe text search": (
        (
            "csmoe text search text/ embeddings.parquet 'cropland in winter' --shards shards/ "
            "--html hits.html"
        ),
    ),
    "csmoe text classify": (
        (
            "csmoe text classify text/ embeddings.parquet --classes 'forest,cropland,open water' "
            "--out classes.parquet"
        ),
    ),
}
"""Examples by command, without the common options."""


def examples_of(command: str) -> Sequence[str]:
    """Return the examples of a command or group; none for an unknown one.

    Args:
        command: Names of the program and of its subcommands, such as `csmoe text train`.
    """
    return _EXAMPLES.get(command, ())
