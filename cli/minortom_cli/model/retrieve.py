"""The command `csmoe retrieve`."""

from pathlib import Path
from typing import Annotated

import typer

from minortom_cli.console import Json, Overwrite, Seed, emit, progress
from minortom_cli.model.checkpoint_argument import Extractor
from minortom_cli.model.labelled_data import (
    Cache,
    Data,
    Index,
    Label,
    PoolingOption,
    Root,
    S1Bands,
    S2Bands,
    S2OffsetOption,
    SplitByOption,
)


def retrieve(
    checkpoint: Extractor,
    *,
    data: Data,
    root: Root,
    out: Annotated[Path, typer.Option(help="Folder for result.json and table.md.")],
    label: Label = None,
    split_by: SplitByOption = None,
    s2_bands: S2Bands = None,
    s1_bands: S1Bands = None,
    s2_offset: S2OffsetOption = "auto",
    k: Annotated[int, typer.Option(min=1, help="Images to retrieve for each query.")] = 10,
    index: Index = "exact",
    pooling: PoolingOption = "cls",
    seeds: Annotated[
        int, typer.Option(min=1, help="Number of untrained models and of sets of random filters.")
    ] = 3,
    cache: Cache = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Retrieve test images for each validation image; compare the model with baselines."""
    # Imported here so that `csmoe --help` does not load torch.
    from csmoe_model.retrieval.retrieve import retrieve as run

    with progress("images") as on_progress:
        result = run(
            checkpoint, data=data, root=root, out=out, label=label, split_by=split_by,
            s2_bands=s2_bands, s1_bands=s1_bands,
            s2_offset=s2_offset, k=k, index=index, pooling=pooling, seeds=seeds,
            cache=cache, seed=seed, overwrite=overwrite, on_progress=on_progress,
        )  # fmt: skip
    emit(result, as_json=as_json)
