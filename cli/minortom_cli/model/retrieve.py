"""``csmoe retrieve``: images like a query's, within a sensor and across the two."""

from pathlib import Path
from typing import Annotated

import typer

from minortom_cli.console import Json, Overwrite, Seed, emit, progress
from minortom_cli.model.checkpoint_argument import Checkpoint
from minortom_cli.model.labelled_data import (
    Cache,
    Data,
    Index,
    Label,
    PoolingOption,
    Root,
    S1Bands,
    S2Bands,
    SplitByOption,
)


def retrieve(
    checkpoint: Checkpoint,
    data: Data,
    root: Root,
    out: Annotated[Path, typer.Option(help="Folder for result.json and table.md.")],
    label: Label = None,
    split_by: SplitByOption = None,
    s2_bands: S2Bands = None,
    s1_bands: S1Bands = None,
    k: Annotated[int, typer.Option(min=1, help="Images retrieved for each query.")] = 10,
    index: Index = "exact",
    pooling: PoolingOption = "cls",
    seeds: Annotated[int, typer.Option(min=1, help="Of untrained models and random filters.")] = 3,
    cache: Cache = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Retrieve test images for validation images, beside baselines that cost nothing."""
    # Imported here so that `csmoe --help` does not load torch.
    from csmoe_model.datasets.open_set import open_set
    from csmoe_model.retrieval.retrieve import RetrieveOptions, shown_rows
    from csmoe_model.retrieval.retrieve import retrieve as run_retrieve

    options = RetrieveOptions(k=k, index=index, pooling=pooling, seed=seed, seeds=seeds)
    labelled = open_set(
        data, root, label=label, split_by=split_by, s2_bands=s2_bands, s1_bands=s1_bands, seed=seed
    )
    with progress("images") as on_progress:
        result = run_retrieve(
            checkpoint, labelled, out, options=options, inputs=(root,), cache=cache,
            overwrite=overwrite, on_progress=on_progress,
        )  # fmt: skip
    emit(result if as_json else shown_rows(result), as_json=as_json)
