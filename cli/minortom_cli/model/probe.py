"""``csmoe probe``: what a model's features are worth on a labelled set."""

from pathlib import Path
from typing import Annotated

import typer

from minortom_cli.console import Json, Overwrite, Seed, emit, progress
from minortom_cli.model.checkpoint_argument import Checkpoint
from minortom_cli.model.labelled_data import (
    Cache,
    Data,
    Label,
    PoolingOption,
    Root,
    S1Bands,
    S2Bands,
    SplitByOption,
)
from minortom_cli.model.probe_options import ProtocolOption, Rate, Seeds, SensorOption, Shots


def probe(
    checkpoint: Checkpoint,
    data: Data,
    root: Root,
    out: Annotated[Path, typer.Option(help="Folder for result.json, table.md and table.tex.")],
    label: Label = None,
    split_by: SplitByOption = None,
    s2_bands: S2Bands = None,
    s1_bands: S1Bands = None,
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
    """Probe frozen features on a labelled set, beside baselines that cost nothing."""
    # Imported here so that `csmoe --help` does not load torch.
    from csmoe_model.datasets.open_set import open_set
    from csmoe_model.evaluation.tables import shown_rows
    from csmoe_model.probing.options import ProbeOptions
    from csmoe_model.probing.probe import probe as run_probe

    options = ProbeOptions(
        protocol=protocol, pooling=pooling, sensor=sensor, seed=seed, seeds=seeds, lr=lr,
        shots=shots,
    )  # fmt: skip
    labelled = open_set(
        data, root, label=label, split_by=split_by, s2_bands=s2_bands, s1_bands=s1_bands, seed=seed
    )
    with progress("images") as on_progress:
        result = run_probe(
            checkpoint, labelled, out, options=options, inputs=(root,), cache=cache,
            overwrite=overwrite, on_progress=on_progress,
        )  # fmt: skip
    emit(result if as_json else shown_rows(result), as_json=as_json)
