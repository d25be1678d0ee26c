"""Page of `csmoe prune --html`: which experts stay, what they attend to, and what it costs.

The page is one file that needs no network. It holds no path, host or time, so that the same
inputs give the same bytes.
"""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from csmoe_model.analysis.expert_maps import dim_picture, heat_map
from csmoe_model.analysis.expert_usage import Layer, Maps, layers_of, measure_maps
from csmoe_model.analysis.plot_files import save_figure
from csmoe_model.analysis.pruning_plot import LONG, pruning_figure, pruning_points
from csmoe_model.extractors.checkpoint import LoadedModel, load_encoder
from csmoe_model.inference.neighbour_sheet import choose_queries
from minortom.io.provenance import KEY
from minortom.plotting.html_page import page_template, png_uri
from minortom.plotting.patch_pictures import data_uri, patch_pictures
from minortom.shards.shard_set import ShardSet

_SHOWN_PATCHES = 4
"""Patches whose maps are drawn, of different land covers."""


def pruning_page(checkpoint: str | Path, record: Mapping[str, Any], data: ShardSet) -> str:
    """Return the page as HTML.

    Args:
        checkpoint: The model before experts were removed.
        record: Content of `pruning.json`.
        data: Shards whose patches are shown.
    """
    trained = load_encoder(checkpoint)
    rows = data.metadata(["climate", "landcover", "grid_cell"])
    shown = choose_queries(rows["landcover"].to_pylist(), _SHOWN_PATCHES).tolist()
    return page_template("csmoe_model.pruning", "pruning.html.j2").render(
        recipe=trained.name, pruned=record, long=LONG, layers=_layer_rows(record),
        figure=_picture(record),
        patches=[_patch(trained, record, data, n, rows.slice(n, 1).to_pylist()[0]) for n in shown],
        record=record[KEY],
    )  # fmt: skip


def _layer_rows(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the experts of each layer with their score, as a share of the layer's largest."""
    rows = []
    for row in record["layers"]:
        finite = [score for score in row["scores"] if score is not None]
        largest = max([*finite, 1e-300])
        specificity = row["specificity"] or [None] * len(row["experts"])
        experts = [
            {
                "number": number, "score": score, "kept": number in row["kept"],
                "part": 1.0 if score is None else max(score, 0) / largest, "specificity": special,
            }
            for number, score, special in zip(
                row["experts"], row["scores"], specificity, strict=True
            )
        ]  # fmt: skip
        rows.append({"layer": row["layer"], "experts": experts})
    return rows


def _picture(record: Mapping[str, Any]) -> str:
    """Return the curve of drift against cost as a data URI."""
    stream = BytesIO()
    save_figure(pruning_figure(pruning_points(record, "experts removed")), stream)
    return png_uri(stream.getvalue())


def _patch(
    trained: LoadedModel, record: Mapping[str, Any], data: ShardSet, sample: int,
    row: Mapping[str, object],
) -> dict[str, Any]:  # fmt: skip
    """Return the pictures of one patch, and the dispatch maps of each layer's experts."""
    maps = measure_maps(trained, data, sample)
    pictures = dict(zip(("s2", "s1"), patch_pictures(data, sample), strict=True))
    kept = {one["layer"]: one["kept"] for one in record["layers"]}
    views = [
        {
            "sensor": sensor, "picture": data_uri(pictures[sensor]),
            "ground": dim_picture(pictures[sensor]),
            "layers": [
                _maps_of_layer(layer, maps, number, kept)
                for number, layer in enumerate(layers_of(trained)) if layer.sensor == sensor
            ],
        }
        for sensor in record["sensors"]
    ]  # fmt: skip
    return {"what": f"{row['climate']}, {row['landcover']}", "where": row["grid_cell"],
            "views": views}  # fmt: skip


def _maps_of_layer(
    layer: Layer, maps: Maps, number: int, kept: Mapping[str, list[int]]
) -> dict[str, Any]:
    brightest = float(maps.dispatch_LEHW[number].max())
    experts = [
        {
            "number": n, "kept": n in kept[layer.name],
            "map": heat_map(maps.dispatch_LEHW[number][n], brightest),
        }
        for n in layer.experts
    ]  # fmt: skip
    return {"layer": layer.name, "experts": experts}
