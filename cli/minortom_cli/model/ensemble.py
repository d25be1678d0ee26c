"""The commands of `csmoe ensemble`."""

from pathlib import Path
from typing import Annotated

import typer

from csmoe_model.choices import MemberChoice
from csmoe_model.datasets.names import SetName
from minortom_cli.command import Group
from minortom_cli.console import Json, Overwrite, Seed, emit, progress
from minortom_cli.model.labelled_data import (
    Cache,
    Data,
    Label,
    Root,
    S1Bands,
    S2Bands,
    S2OffsetOption,
    SplitByOption,
)
from minortom_cli.model.needs_torch import NeedsTorch
from minortom_cli.model.probe_options import SensorOption

ensemble = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    help="Select frozen extractors and combine them to one: specialists, models, baselines.",
)

Extractors = Annotated[
    list[str],
    typer.Argument(
        help="Folders of specialists, runs or models, repositories of the hub, band-statistics or "
        "random-convolutions; each may be given a name as NAME=EXTRACTOR."
    ),
]
Out = Annotated[Path, typer.Option(help="Folder for the ensemble, with a copy of each member.")]


@ensemble.command(name="build", cls=NeedsTorch)
def build(
    extractors: Extractors,
    *,
    data: Data,
    root: Root,
    out: Out,
    label: Label = None,
    split_by: SplitByOption = None,
    s2_bands: S2Bands = None,
    s1_bands: S1Bands = None,
    s2_offset: S2OffsetOption = "auto",
    sensor: SensorOption = None,
    budget: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="GMACS",
            help="Maximum cost of the ensemble, in 10⁹ multiply-adds per image.",
            show_default="none",
        ),
    ] = None,
    select: Annotated[
        MemberChoice,
        typer.Option(
            help="Add the best candidate while its gain exceeds one standard error, two for the "
            "first one (`greedy`), or take `all` candidates."
        ),
    ] = "greedy",
    cache: Cache = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Select frozen extractors on labelled training images, and write them as one ensemble."""
    # Imported here, as below, so that `csmoe --help` does not load torch.
    from csmoe_model.ensembles import build as run

    with progress("images") as on_progress:
        result = run(
            extractors, data=data, root=root, out=out, label=label, split_by=split_by,
            s2_bands=s2_bands, s1_bands=s1_bands, s2_offset=s2_offset, sensor=sensor,
            budget=budget, select=select, cache=cache, seed=seed, overwrite=overwrite,
            on_progress=on_progress,
        )  # fmt: skip
    emit(result, as_json=as_json)


@ensemble.command(name="add", cls=NeedsTorch)
def add(
    ensemble: Annotated[str, typer.Argument(help="Folder of an ensemble; it is not changed.")],
    extractors: Extractors,
    *,
    out: Out,
    data: Annotated[
        SetName | None,
        typer.Option(
            help="Labelled set whose training images calibrate the new members; specialists bring "
            "statistics of their own.",
            show_default="none",
        ),
    ] = None,
    root: Annotated[
        Path | None, typer.Option(help="Folder of the set of --data.", show_default="none")
    ] = None,
    label: Label = None,
    split_by: SplitByOption = None,
    s2_bands: S2Bands = None,
    s1_bands: S1Bands = None,
    s2_offset: S2OffsetOption = "auto",
    cache: Cache = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Append members to an ensemble; the vectors of the others stay bit-equal."""
    from csmoe_model.ensembles import add as run

    with progress("images") as on_progress:
        result = run(
            ensemble, extractors, out=out, data=data, root=root, label=label, split_by=split_by,
            s2_bands=s2_bands, s1_bands=s1_bands, s2_offset=s2_offset, cache=cache, seed=seed,
            overwrite=overwrite, on_progress=on_progress,
        )  # fmt: skip
    emit(result, as_json=as_json)
