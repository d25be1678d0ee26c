"""`csmoe ensemble build`: select members on labelled images, and write the ensemble."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from csmoe_model.checkpoints.hub import CONFIG
from csmoe_model.choices import MemberChoice, SensorChoice
from csmoe_model.datasets.base import LabelledSet
from csmoe_model.datasets.names import SetName, SplitBy
from csmoe_model.datasets.open_set import BandNames, open_set
from csmoe_model.ensembles.candidates import (
    Candidate,
    candidates_for,
    extractor_hashes,
    named_extractors,
)
from csmoe_model.ensembles.folder import EnsembleResult, read_result, write_ensemble
from csmoe_model.ensembles.manifest import trace_rows
from csmoe_model.ensembles.members import Calibrated, Calibration, image_sizes
from csmoe_model.ensembles.ridge import (
    NUM_FOLDS,
    FloatArray,
    HeldOutRidge,
    IntArray,
    class_targets,
    group_folds,
)
from csmoe_model.ensembles.selection import Step, select_members
from csmoe_model.evaluation.feature_cache import FeatureCache
from csmoe_model.extractors.ensemble import Ensemble
from minortom.api.arguments import finite_number, number, one_of, path_of, whole_number
from minortom.errors import InputError
from minortom.io.artefact import artefact
from minortom.io.provenance import Provenance
from minortom.progress import OnProgress, ignore_progress
from minortom.scenes.radiometry import GivenOffset


def build(
    extractors: Sequence[str | Path],
    *,
    data: SetName | LabelledSet,
    root: str | Path | None,
    out: str | Path,
    label: str | None = None,
    split_by: SplitBy | None = None,
    s2_bands: BandNames | None = None,
    s1_bands: BandNames | None = None,
    s2_offset: GivenOffset = "auto",
    sensor: SensorChoice | None = None,
    budget: float | None = None,
    select: MemberChoice = "greedy",
    cache: str | Path | None = None,
    seed: int = 0,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> EnsembleResult:
    """Select frozen extractors on labelled images, and write them as one ensemble.

    The folder `out` holds a copy of every member, so that no other folder is needed to use it.

    Args:
        extractors: Candidates, as `load_extractor` takes them, or `NAME=EXTRACTOR`. Without a name,
            a member has that of its folder.
        data: `shards`, a `folder` of GeoTIFFs with `labels.csv`, the name of a published set, or
            a `LabelledSet`. Only its training images are used.
        root: Folder that holds the set; None for a `LabelledSet`.
        out: Folder to write.
        label: Shards only: column with the labels; `landcover` when None.
        split_by: Shards only: their own splits (`shards`, also when None) or `blocks` of ground.
        s2_bands: Folder only: names of the Sentinel-2 bands, such as `B02,B03`, in the order of
            the files; the names in the files when None.
        s1_bands: Folder only: names of the Sentinel-1 bands, as for `s2_bands`.
        s2_offset: Folder only: offset to subtract from Sentinel-2 values without offset tags, in
            reflectance × 10,000; `auto` takes it from the name of the product.
        sensor: `s2`, `s1` or `both`; for each candidate all that it shares with the set when None.
        budget: Maximum cost of the ensemble, in 10⁹ multiply-adds per image of the set; none when
            None.
        select: `greedy` adds the best candidate while its gain exceeds one standard error (two for
            the first one); `all` takes every candidate.
        cache: Folder of cached features; no cache when None.
        seed: Seed of the folds and of the random convolutions.
        overwrite: Whether to replace an ensemble that was made with other options.
        on_progress: Called with (images done, images in all) for each candidate.

    Returns:
        The members, the candidates that were left out, and the trace of gains.

    Raises:
        InputError: If a candidate cannot encode the set, no candidate fits the budget or predicts
            the labels, or an argument is not valid.
        OutputExistsError: If `out` is another output.
        MinorTomError: If the set is missing or damaged.
    """
    one_of("select", select, get_args(MemberChoice))
    if sensor is not None:
        one_of("sensor", sensor, get_args(SensorChoice))
    limit = None
    if budget is not None:
        limit = round(finite_number("budget", number("budget", budget) * 1e9))
    seed = whole_number("seed", seed, minimum=0)
    out = path_of("out", out)
    kept = FeatureCache.beside(out, cache)
    pool = named_extractors(extractors)
    labelled = open_set(
        data, root, label=label, split_by=split_by, s2_bands=s2_bands, s1_bands=s1_bands,
        s2_offset=s2_offset, seed=seed,
    )  # fmt: skip
    builder = Builder(
        data=labelled, candidates=candidates_for(pool, labelled, sensor), budget=limit,
        select=select, seed=seed,
    )  # fmt: skip
    provenance = builder.provenance
    folders = [folder for extractor in pool.values() for folder in extractor.folders]
    inputs = [*folders, *([] if root is None else [path_of("root", root)])]
    with artefact(out, provenance, inputs=inputs, overwrite=overwrite, record=CONFIG) as made:
        if not made.up_to_date:
            labelled.report()
            calibration = Calibration(data=labelled, seed=seed, cache=kept, on_progress=on_progress)
            builder.write(made.path, calibration, provenance)
    return read_result(out, made.status)


@dataclass(frozen=True, kw_only=True)
class Builder:
    """Candidates and labels from which an ensemble is built.

    Raises:
        InputError: If the labels do not fit, or no candidate fits the budget.
    """

    data: LabelledSet
    candidates: Sequence[Candidate]
    budget: int | None
    """Maximum multiply-adds of an image."""
    select: MemberChoice
    seed: int

    def __post_init__(self) -> None:
        if self.select == "greedy":
            self._check_labels()
        self._check_budget()

    def write(self, folder: Path, calibration: Calibration, provenance: Provenance) -> None:
        """Encode the training images, select members, and write the folder."""
        pool = calibration.calibrate(self.candidates)
        steps = self._selected(pool) if self.select == "greedy" else []
        chosen = [step.candidate for step in steps if step.chosen]
        if self.select == "all":
            chosen = list(range(len(pool)))
        if not chosen:
            raise InputError(
                f"expected a candidate that predicts the labels of {self.data.name} in held-out "
                "groups better than their mean, found none; give other extractors or more images"
            )
        manifest = {
            "select": self.select, "budget": self.budget,
            "members": [pool[k].entry for k in chosen],
            "rejected": [one.entry for k, one in enumerate(pool) if k not in chosen],
            "trace": trace_rows(steps, [one.member.name for one in pool]),
        }  # fmt: skip
        ensemble = Ensemble.of([pool[k].member for k in chosen], licences=tuple(self.data.licences))
        write_ensemble(folder, ensemble, manifest, provenance)

    def _selected(self, pool: Sequence[Calibrated]) -> list[Step]:
        groups = self._groups()
        ridge = HeldOutRidge(
            [one.vectors for one in pool], self._targets(), group_folds(groups, seed=self.seed)
        )
        costs = [one.entry["multiply_adds"] for one in pool]
        return select_members(ridge, groups, costs, budget=self.budget)

    @property
    def provenance(self) -> Provenance:
        """Everything that the ensemble depends on."""
        names = {one.name: list(one.sensors) for one in self.candidates}
        return Provenance(
            command="ensemble build",
            options={
                "extractors": names, "select": self.select, "budget_multiply_adds": self.budget,
                "data": self.data.name, **self.data.record,
            },
            inputs={
                "data": self.data.sha256,
                **extractor_hashes({one.name: one.extractor for one in self.candidates}),
            },
            seed=self.seed, licences=tuple(self.data.licences),
        )  # fmt: skip

    def _groups(self) -> IntArray:
        """Return the number of the group of each training image."""
        train = self.data.split("train")
        if train.groups is None:
            return np.arange(len(train))
        return np.unique(train.groups, return_inverse=True)[1].astype(np.int64)

    def _targets(self) -> FloatArray:
        labels = self.data.split("train").labels
        return class_targets(labels, self.data.task, len(self.data.classes))

    def _check_labels(self) -> None:
        if self.data.task == "segmentation":
            raise InputError(
                f"the selection needs a label for each image, found the segmentation set "
                f"{self.data.name}; give --select all, or another set"
            )
        if not self._targets().shape[1]:
            raise InputError(
                f"the selection needs training images of at least two classes, found one in "
                f"{self.data.name}; add images of other classes"
            )
        found = int(self._groups().max()) + 1
        if found < NUM_FOLDS:
            raise InputError(
                f"the selection needs at least {NUM_FOLDS} groups of training images, found "
                f"{found} in {self.data.name}; add images of other groups"
            )

    def _check_budget(self) -> None:
        if self.budget is None:
            return
        sizes = image_sizes(self.data)
        costs = {
            one.name: one.extractor.cost_of({s: sizes[s] for s in one.sensors}).multiply_adds
            for one in self.candidates
        }
        name = min(costs, key=lambda one: costs[one])
        needed, what = costs[name], f"the cheapest candidate, {name}"
        if self.select == "all":
            needed, what = sum(costs.values()), "all candidates together"
        if needed > self.budget:
            raise InputError(
                f"the budget must be at least {needed / 1e9:.4g} for {what}, found "
                f"{self.budget / 1e9:.4g} × 10⁹ multiply-adds per image; give a larger --budget"
            )
