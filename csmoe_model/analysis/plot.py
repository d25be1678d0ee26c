"""`csmoe plot`: pictures from the results of probes, with the points of the paper."""

from collections.abc import Sequence
from pathlib import Path

from csmoe_model.analysis.epochs import draw_epochs
from csmoe_model.analysis.plot_files import PlotResult
from csmoe_model.analysis.pruning_plot import draw_pruning
from csmoe_model.analysis.quality_cost import draw_quality_cost
from csmoe_model.analysis.token_poolings import draw_tokens
from csmoe_model.choices import Pooling, Protocol, SensorChoice
from csmoe_model.datasets.base import LabelledSet
from csmoe_model.datasets.names import SetName, SplitBy
from csmoe_model.datasets.open_set import BandNames, open_set
from csmoe_model.probing.options import ProbeOptions
from minortom.api.arguments import number, path_of, several
from minortom.progress import OnProgress, ignore_progress
from minortom.scenes.radiometry import GivenOffset

__all__ = ["epochs", "pruning", "quality_cost", "tokens"]

Paths = str | Path | Sequence[str | Path]


def quality_cost(
    results: Paths | None = None, *, out: str | Path, overwrite: bool = False
) -> PlotResult:
    """Draw scores against multiply-adds, as Figs. 6 and 7 of the paper, one panel for each set.

    Args:
        results: Folders that `csmoe probe` wrote; only the points of the paper when None.
        out: PNG to write; the numbers go to the same name with `.json`.
        overwrite: Whether to replace the two files.

    Raises:
        InputError: If a folder holds no result of a probe, or `out` does not end in `.png`.
        OutputExistsError: If one of the two files exists.
    """
    return draw_quality_cost(_paths("results", results), path_of("out", out), overwrite=overwrite)


def tokens(results: Paths | None = None, *, out: str | Path, overwrite: bool = False) -> PlotResult:
    """Draw scores of [CLS], the mean token and both, as Table V of the paper, one panel a set.

    Args:
        results: Folders that `csmoe probe` wrote with different `--pooling`; only the points of
            the paper when None.
        out: PNG to write; the numbers go to the same name with `.json`.
        overwrite: Whether to replace the two files.

    Raises:
        InputError: If a folder holds no result of a probe, or `out` does not end in `.png`.
        OutputExistsError: If one of the two files exists.
    """
    return draw_tokens(_paths("results", results), path_of("out", out), overwrite=overwrite)


def pruning(results: Paths, *, out: str | Path, overwrite: bool = False) -> PlotResult:
    """Draw the drift of pruned models against their multiply-adds, one panel for each sensor.

    Args:
        results: Folders that `csmoe prune` wrote, with different names; each is a line over the
            numbers of experts.
        out: PNG to write; the numbers go to the same name with `.json`.
        overwrite: Whether to replace the two files.

    Raises:
        InputError: If a folder holds no record of a pruning, two folders have the same name, or
            `out` does not end in `.png`.
        OutputExistsError: If one of the two files exists.
    """
    return draw_pruning(_paths("results", results), path_of("out", out), overwrite=overwrite)


def epochs(
    runs: Paths,
    *,
    data: SetName | LabelledSet,
    root: str | Path | None,
    out: str | Path,
    ema: bool = False,
    label: str | None = None,
    split_by: SplitBy | None = None,
    s2_bands: BandNames | None = None,
    s1_bands: BandNames | None = None,
    s2_offset: GivenOffset = "auto",
    protocol: Protocol = "standard",
    pooling: Pooling = "cls",
    sensor: SensorChoice | None = None,
    seeds: int = 3,
    lr: float | None = None,
    cache: str | Path | None = None,
    seed: int = 0,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> PlotResult:
    """Probe the weights that runs kept; draw the scores over the epochs, as Fig. 5 of the paper.

    Args:
        runs: Folders of runs of `csmoe train --keep-every`, with different names.
        data: Name of a multiclass or multilabel set, or a `LabelledSet`; see `open_set`.
        root: Folder that holds the set; None for a `LabelledSet`.
        out: PNG to write; the numbers go to the same name with `.json`.
        ema: Whether to take the averaged weights (`--ema-decay`).
        label: Column of shards that holds the labels; `landcover` when None.
        split_by: How to split shards; by their own splits when None.
        s2_bands: Names of the Sentinel-2 bands in the files of a folder, such as `B02,B03`; the
            names in the files when None.
        s1_bands: Names of the Sentinel-1 bands, as for `s2_bands`.
        s2_offset: Offset to subtract from Sentinel-2 values without offset tags, in
            reflectance × 10,000; `auto` takes it from the name of the product.
        protocol: `standard` or `paper`; see `ProbeOptions`.
        pooling: `cls` for the [CLS] vector, `mean` for the mean of the patch tokens, or `both`.
        sensor: Sensor of the images; all that the model and the set have in common when None.
        seeds: Number of untrained models, of sets of random filters and of linear layers.
        lr: Learning rate of the paper's protocol; the rate of the paper when None.
        cache: Folder that keeps features for other runs on the same set; none when None.
        seed: First of the seeds, also of a split that the set does not have.
        overwrite: Whether to replace a picture that was made otherwise.
        on_progress: Called with (images done, images in all) for each kind of features.

    Raises:
        InputError: If a run kept no weights, the set cannot be probed with them, or an argument
            is not valid.
        OutputExistsError: If the picture or its numbers were made from something else.
    """
    options = ProbeOptions(
        protocol=protocol, pooling=pooling, sensor=sensor, seed=seed, seeds=seeds,
        lr=None if lr is None else number("lr", lr),
    )  # fmt: skip
    labelled = open_set(
        data, root, label=label, split_by=split_by, s2_bands=s2_bands, s1_bands=s1_bands,
        s2_offset=s2_offset, seed=options.seed,
    )  # fmt: skip
    return draw_epochs(
        _paths("runs", runs), labelled, path_of("out", out), options=options, averaged=ema,
        inputs=() if root is None else (path_of("root", root),),
        cache=None if cache is None else path_of("cache", cache),
        overwrite=overwrite, on_progress=on_progress,
    )  # fmt: skip


def _paths(name: str, given: Paths | None) -> list[Path]:
    return [path_of(name, path) for path in several(name, given, expected="a path (str or Path)")]
