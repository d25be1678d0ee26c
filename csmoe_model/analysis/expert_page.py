"""``experts.html``: what each expert's slots look at, and who uses which expert.

One file that needs no network. It holds no path, host or time, so that the same inputs give
the same bytes.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from csmoe_model.analysis.expert_maps import expert_colours, expert_map, ground, heat_map
from csmoe_model.analysis.expert_usage import (
    Maps,
    Usage,
    chance_information,
    draw_maps,
    group_shares,
    information,
    layers_of,
    measure_usage,
)
from csmoe_model.inference.load import LoadedModel, load_encoder
from csmoe_model.inference.neighbour_sheet import choose_queries
from minortom.io.atomic_write import write_text
from minortom.io.provenance import Provenance, licences_in, sha256_of
from minortom.io.up_to_date import check_page, is_up_to_date, now, status, write_run_record
from minortom.plotting.patch_pictures import data_uri, patch_pictures
from minortom.progress import OnProgress, ignore_progress
from minortom.shards.layout import DATASET_FILE
from minortom.shards.shard_set import ShardSet

_SAID = {"climate": "climate", "landcover": "land cover"}
"""What patches are grouped by, besides the sensor: column, and how it is called."""
_LONG = {"s2": "Sentinel-2", "s1": "Sentinel-1"}
_SEED = 0
"""Of the shuffles that measure what chance alone tells."""


def inspect_experts(
    checkpoint: str | Path,
    shards: Path,
    out: Path,
    *,
    samples: int = 1000,
    patches: int = 6,
    overwrite: bool = False,
    workers: int | None = None,
    on_progress: OnProgress = ignore_progress,
) -> dict[str, object]:
    """Write a page about the experts of a model.

    Args:
        checkpoint: As `CSMoE.from_pretrained` takes it.
        shards: Folder of shards; patches of any split.
        out: HTML file to write.
        samples: Patches to count in the tables, evenly over the shards; all if there are fewer.
        patches: Patches to draw maps of, each stratum in turn.
        overwrite: Whether another file in `out` may be replaced.
        workers: Threads that read; at most 8 of the cores when None.
        on_progress: Called with (patches done, patches in all).

    Returns:
        What there is to tell, for people.

    Raises:
        InputError: If the checkpoint is none, or has no experts, or `out` is no `.html`.
        ShardError: If the shards are missing, damaged or of another version.
        OutputExistsError: If `out` is something else.
    """
    started, data = now(), ShardSet.open(shards)
    trained = load_encoder(checkpoint)
    layers_of(trained)
    provenance = Provenance(
        command="inspect", options={"samples": samples, "patches": patches}, seed=_SEED,
        inputs={
            "weights": trained.weights_sha256, "shards": sha256_of(data.folder / DATASET_FILE),
        },
        licences=tuple(dict.fromkeys((*trained.licences, *licences_in(data.provenance)))),
    )  # fmt: skip
    done = is_up_to_date(out, provenance, inputs=[trained.folder, shards], overwrite=overwrite)
    check_page(out)
    chosen = np.unique(np.linspace(0, len(data) - 1, min(samples, len(data))).astype(np.int64))
    if not done:
        usage = measure_usage(trained, data, chosen, workers=workers, on_progress=on_progress)
        write_text(out, _page(trained, data, chosen, usage, patches, provenance))
        write_run_record(out, started)
    return {
        "status": status(done), "out": str(out), "patches": len(chosen),
        "experts": trained.model.config.num_experts,
    }  # fmt: skip


def _page(
    trained: LoadedModel,
    data: ShardSet,
    chosen: NDArray[np.int64],
    usage: Usage,
    patches: int,
    provenance: Provenance,
) -> str:
    rows = data.metadata([*_SAID, "stratum", "grid_cell", "patch_row", "patch_col"])
    groups = {name: rows[name].take(chosen).to_pylist() for name in _SAID}
    tiles = rows["grid_cell"].take(chosen).to_pylist()
    shown = choose_queries(rows["stratum"].to_pylist(), patches).tolist()
    environment = Environment(
        loader=PackageLoader("csmoe_model.analysis"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    config = trained.model.config
    colours = [
        "#" + "".join(f"{round(255 * part):02x}" for part in colour)
        for colour in expert_colours(config.num_experts)
    ]
    return environment.get_template("experts.html.j2").render(
        recipe=trained.recipe, config=config, sensors=trained.model.sensors, long=_LONG,
        num_samples=len(chosen), colours=colours,
        num_tiles=len(set(tiles)), most_bits=math.log2(config.num_experts),
        layers=_layer_rows(usage, groups, tiles),
        tables=_tables(usage, groups, trained.model.sensors),
        patches=[_patch(trained, data, n, rows.slice(n, 1).to_pylist()[0]) for n in shown],
        licences=provenance.licences, record=json.loads(provenance.to_json()),
        weights=trained.weights_sha256,
    )  # fmt: skip


def _layer_rows(
    usage: Usage, groups: Mapping[str, Sequence[str]], tiles: Sequence[str]
) -> list[dict[str, object]]:
    """Sum each layer up: how even, how sharp, and what a patch's group tells of its experts."""
    rows = []
    for number, layer in enumerate(usage.layers):
        share_KE = usage.share_KLE[:, number]
        rows.append(
            {
                "name": f"{layer.module} of {_LONG[layer.sensor]}",
                "share": share_KE.mean(0).tolist(),
                **{name: float(values[number]) for name, values in usage.entropies.items()},
                "information": {
                    name: (
                        information(share_KE, of_sample),
                        chance_information(share_KE, of_sample, tiles, seed=_SEED),
                    )
                    for name, of_sample in groups.items()
                },
            }
        )
    return rows


def _tables(
    usage: Usage, groups: Mapping[str, Sequence[str]], sensors: Sequence[str]
) -> list[dict[str, object]]:
    """Lay out who uses which expert: shared layers by sensor, every layer by each group."""
    tables: list[dict[str, object]] = []
    modules = dict.fromkeys(layer.module for layer in usage.layers)
    if len(sensors) > 1:
        for module in (name for name in modules if name.startswith("shared")):
            rows = [
                {"group": _LONG[layer.sensor], "count": len(usage.share_KLE), "share": share}
                for layer, share in zip(usage.layers, usage.share_KLE.mean(0).tolist(), strict=True)
                if layer.module == module
            ]
            tables.append({"title": f"{module}, by sensor", "open": True, "rows": rows})
    for name, of_sample in groups.items():
        for number, layer in enumerate(usage.layers):
            names, counts, share_GE = group_shares(usage.share_KLE[:, number], of_sample)
            rows = [
                {"group": group, "count": int(count), "share": share}
                for group, count, share in zip(names, counts, share_GE.tolist(), strict=True)
            ]
            title = f"{layer.module} of {_LONG[layer.sensor]}, by {_SAID[name]}"
            tables.append({"title": title, "open": False, "rows": rows})
    return tables


def _patch(
    trained: LoadedModel, data: ShardSet, sample: int, row: Mapping[str, object]
) -> dict[str, object]:
    """Draw one patch, and what the experts of each layer see in it."""
    maps = draw_maps(trained, data, sample)
    shown = dict(zip(("s2", "s1"), patch_pictures(data, sample), strict=True))
    sensors = []
    for sensor in trained.model.sensors:
        numbers = [n for n, layer in enumerate(layers_of(trained)) if layer.sensor == sensor]
        sensors.append(
            {
                "sensor": sensor,
                "picture": data_uri(shown[sensor]),
                "ground": ground(shown[sensor]),
                "layers": [_maps_of_layer(trained, maps, number) for number in numbers],
            }
        )
    where = f"{row['grid_cell']}, row {row['patch_row']}, column {row['patch_col']}"
    return {"where": where, "what": f"{row['climate']}, {row['landcover']}", "sensors": sensors}


def _maps_of_layer(trained: LoadedModel, maps: Maps, number: int) -> dict[str, object]:
    dispatch_EHW, cls_E = maps.dispatch_LEHW[number], maps.cls_LE[number]
    brightest = float(dispatch_EHW.max())
    return {
        "name": layers_of(trained)[number].module,
        "times_even": brightest * (dispatch_EHW[0].size + 1),
        "experts": [
            {"map": heat_map(weight_HW, brightest), "cls": float(cls)}
            for weight_HW, cls in zip(dispatch_EHW, cls_E, strict=True)
        ],
        "places": expert_map(maps.combine_LEHW[number]),
    }
