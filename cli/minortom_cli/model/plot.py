"""``csmoe plot``: the paper's pictures, with our points in them."""

from pathlib import Path
from typing import Annotated

import typer

from minortom_cli.console import Json, Overwrite, Seed, emit, progress
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
from minortom_cli.model.probe_options import ProtocolOption, Rate, Seeds, SensorOption

plot = typer.Typer(no_args_is_help=True, help="Draw the paper's pictures from results of probes.")

Out = Annotated[Path, typer.Option(help="PNG to write; its numbers go beside it as .json.")]


@plot.command(name="quality-cost")
def quality_cost(
    out: Out,
    results: Annotated[
        list[Path] | None, typer.Argument(help="Folders of probes; none for the paper's alone.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Draw scores against multiply-adds: Figs. 6 and 7 of the paper."""
    # Imported here so that `csmoe --help` does not load matplotlib.
    from csmoe_model.analysis.quality_cost import draw_quality_cost

    emit(draw_quality_cost(results or [], out, overwrite=overwrite), as_json=as_json)


@plot.command(name="tokens")
def tokens(
    out: Out,
    results: Annotated[
        list[Path] | None, typer.Argument(help="Folders of probes; none for the paper's alone.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Draw what [CLS], the mean of the tokens, and both are worth: Table V of the paper."""
    from csmoe_model.analysis.quality_cost import draw_tokens

    emit(draw_tokens(results or [], out, overwrite=overwrite), as_json=as_json)


@plot.command(name="epochs")
def epochs(
    runs: Annotated[
        list[Path], typer.Argument(help="Folders of runs of `csmoe train --keep-every`.")
    ],
    data: Data,
    root: Root,
    out: Out,
    ema: Annotated[
        bool, typer.Option("--ema", help="Take the averaged weights, of --ema-decay.")
    ] = False,
    label: Label = None,
    split_by: SplitByOption = None,
    s2_bands: S2Bands = None,
    s1_bands: S1Bands = None,
    protocol: ProtocolOption = "standard",
    pooling: PoolingOption = "cls",
    sensor: SensorOption = None,
    seeds: Seeds = 3,
    lr: Rate = None,
    cache: Cache = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Probe the weights that runs kept on the way and draw them over epochs: Fig. 5."""
    from csmoe_model.analysis.epochs import draw_epochs
    from csmoe_model.datasets.open_set import open_set
    from csmoe_model.probing.options import ProbeOptions

    options = ProbeOptions(
        protocol=protocol, pooling=pooling, sensor=sensor, seed=seed, seeds=seeds, lr=lr
    )
    labelled = open_set(
        data, root, label=label, split_by=split_by, s2_bands=s2_bands, s1_bands=s1_bands, seed=seed
    )
    with progress("images") as on_progress:
        summary = draw_epochs(
            runs, labelled, out, options=options, averaged=ema, inputs=(root,), cache=cache,
            overwrite=overwrite, on_progress=on_progress,
        )  # fmt: skip
    emit(summary, as_json=as_json)
