"""The command `csmoe probe`."""

from pathlib import Path
from typing import Annotated

import typer

from minortom_cli.console import Json, Overwrite, Seed, emit, progress
from minortom_cli.model.checkpoint_argument import Extractor
from minortom_cli.model.labelled_data import (
    Cache,
    Data,
    Label,
    Labels,
    PoolingOption,
    Root,
    S1Bands,
    S2Bands,
    S2OffsetOption,
    SplitByOption,
)
from minortom_cli.model.probe_options import ProtocolOption, Rate, Seeds, SensorOption, Shots


def probe(
    checkpoint: Extractor,
    *,
    data: Data,
    root: Root,
    out: Annotated[
        Path,
        typer.Option(help="Folder for result.json, predictions.parquet, table.md and table.tex."),
    ],
    label: Label = None,
    labels: Labels = None,
    split_by: SplitByOption = None,
    s2_bands: S2Bands = None,
    s1_bands: S1Bands = None,
    s2_offset: S2OffsetOption = "auto",
    protocol: ProtocolOption = "standard",
    pooling: PoolingOption = "cls",
    sensor: SensorOption = None,
    seeds: Seeds = 3,
    lr: Rate = None,
    shots: Shots = None,
    cache: Cache = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Train probes on frozen features of a model, and on baselines, and score them.

    The baselines are band statistics, random convolutions and the untrained model.
    """
    # Imported here so that `csmoe --help` does not load torch.
    from csmoe_model.probing.probe import probe as run

    with progress("images") as on_progress:
        result = run(
            checkpoint, data=data, root=root, out=out, label=label, labels=labels,
            split_by=split_by, s2_bands=s2_bands, s1_bands=s1_bands,
            s2_offset=s2_offset, protocol=protocol, pooling=pooling,
            sensor=sensor, seeds=seeds, lr=lr, shots=shots, cache=cache, seed=seed,
            overwrite=overwrite, on_progress=on_progress,
        )  # fmt: skip
    emit(result, as_json=as_json)
