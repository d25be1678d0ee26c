"""The commands of `csmoe plot`."""

from pathlib import Path
from typing import Annotated

import typer

from minortom_cli.command import Group
from minortom_cli.console import Json, Overwrite, Seed, emit, progress
from minortom_cli.model.labelled_data import (
    Cache,
    Data,
    Label,
    PoolingOption,
    Root,
    S1Bands,
    S2Bands,
    S2OffsetOption,
    SplitByOption,
)
from minortom_cli.model.needs_torch import NeedsTorch
from minortom_cli.model.probe_options import ProtocolOption, Rate, Seeds, SensorOption

plot = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    help="Draw the figures of the paper from results of `csmoe probe` and of runs, and pruning.",
)

Out = Annotated[
    Path, typer.Option(help="PNG to write; its numbers go to the same name with .json.")
]
Results = Annotated[
    list[Path] | None,
    typer.Argument(
        help="Output folders of `csmoe probe`.", show_default="none: only the points of the paper"
    ),
]


@plot.command(name="quality-cost", cls=NeedsTorch)
def quality_cost(
    results: Results = None, *, out: Out, overwrite: Overwrite = False, as_json: Json = False
) -> None:
    """Draw scores against multiply-adds, as Figs. 6 and 7 of the paper."""
    # Imported here, as below, so that `csmoe --help` does not load torch.
    from csmoe_model.analysis.plot import quality_cost as run

    emit(run(results, out=out, overwrite=overwrite), as_json=as_json)


@plot.command(name="tokens", cls=NeedsTorch)
def tokens(
    results: Results = None, *, out: Out, overwrite: Overwrite = False, as_json: Json = False
) -> None:
    """Draw scores of [CLS], of the mean token and of both, as Table V of the paper."""
    from csmoe_model.analysis.plot import tokens as run

    emit(run(results, out=out, overwrite=overwrite), as_json=as_json)


@plot.command(name="pruning", cls=NeedsTorch)
def pruning(
    results: Annotated[list[Path], typer.Argument(help="Output folders of `csmoe prune`.")],
    *,
    out: Out,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Draw the drift of pruned models against their multiply-adds."""
    from csmoe_model.analysis.plot import pruning as run

    emit(run(results, out=out, overwrite=overwrite), as_json=as_json)


@plot.command(name="epochs", cls=NeedsTorch)
def epochs(
    runs: Annotated[
        list[Path], typer.Argument(help="Folders of runs of `csmoe train --keep-every`.")
    ],
    *,
    data: Data,
    root: Root,
    out: Out,
    ema: Annotated[
        bool, typer.Option("--ema", help="Take the averaged weights of `--ema-decay`.")
    ] = False,
    label: Label = None,
    split_by: SplitByOption = None,
    s2_bands: S2Bands = None,
    s1_bands: S1Bands = None,
    s2_offset: S2OffsetOption = "auto",
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
    """Probe the weights that runs kept; draw the scores over the epochs, as Fig. 5 of the paper."""
    from csmoe_model.analysis.plot import epochs as run

    with progress("images") as on_progress:
        result = run(
            runs, data=data, root=root, out=out, ema=ema, label=label, split_by=split_by,
            s2_bands=s2_bands, s1_bands=s1_bands,
            s2_offset=s2_offset, protocol=protocol, pooling=pooling,
            sensor=sensor, seeds=seeds, lr=lr, cache=cache, seed=seed, overwrite=overwrite,
            on_progress=on_progress,
        )  # fmt: skip
    emit(result, as_json=as_json)
