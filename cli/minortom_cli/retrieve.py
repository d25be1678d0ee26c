"""``csmoe retrieve``: images like a query's, within a sensor and across the two."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from minortom_cli.checkpoint_argument import Checkpoint
from minortom_cli.console import Json, Overwrite, Seed, emit, progress


def retrieve(
    checkpoint: Checkpoint,
    data: Annotated[Literal["shards"], typer.Option(help="Kind of labelled set.")],
    root: Annotated[Path, typer.Option(help="Folder with the set.")],
    out: Annotated[Path, typer.Option(help="Folder for result.json and table.md.")],
    label: Annotated[
        Literal["landcover", "climate", "stratum"], typer.Option(help="Column of shards to share.")
    ] = "landcover",
    split_by: Annotated[
        Literal["shards", "blocks"],
        typer.Option(help="Splits of shards: their own, or blocks of ground."),
    ] = "shards",
    k: Annotated[int, typer.Option(min=1, help="Images retrieved for each query.")] = 10,
    index: Annotated[
        Literal["exact", "ivf"],
        typer.Option(help="Compare all vectors, or those of the nearest cells: for millions."),
    ] = "exact",
    pooling: Annotated[
        Literal["cls", "mean", "both"], typer.Option(help="[CLS], mean of the tokens, or both.")
    ] = "cls",
    seeds: Annotated[int, typer.Option(min=1, help="Of untrained models and random filters.")] = 3,
    cache: Annotated[
        Path | None, typer.Option(help="Folder to keep features in, for other runs.")
    ] = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Retrieve test images for validation images, beside baselines that cost nothing."""
    # Imported here so that `csmoe --help` does not load torch.
    from csmoe_model.retrieve import RetrieveOptions, shown_rows
    from csmoe_model.retrieve import retrieve as run_retrieve
    from minortom_cli.labelled_data import open_labelled

    options = RetrieveOptions(k=k, index=index, pooling=pooling, seed=seed, seeds=seeds)
    labelled = open_labelled(data, root, label=label, split_by=split_by, seed=seed)
    with progress("images") as on_progress:
        result = run_retrieve(
            checkpoint, labelled, out, options=options, inputs=(root,), cache=cache,
            overwrite=overwrite, on_progress=on_progress,
        )  # fmt: skip
    emit(result if as_json else shown_rows(result), as_json=as_json)
