"""`csmoe ensemble add`: append members to an ensemble, without a change to the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from csmoe_model.checkpoints.hub import CONFIG
from csmoe_model.datasets.base import LabelledSet
from csmoe_model.datasets.names import SetName, SplitBy
from csmoe_model.datasets.open_set import BandNames, open_set
from csmoe_model.ensembles.candidates import candidates_for, extractor_hashes, named_extractors
from csmoe_model.ensembles.folder import EnsembleResult, read_result, write_ensemble
from csmoe_model.ensembles.manifest import Entry, member_entry
from csmoe_model.ensembles.members import Calibration
from csmoe_model.evaluation.feature_cache import FeatureCache
from csmoe_model.extractors.ensemble import MANIFEST, Ensemble, Member
from csmoe_model.extractors.extractor import Extractor
from csmoe_model.extractors.load import load_extractor
from csmoe_model.extractors.specialist import Specialist
from minortom.api.arguments import path_of, whole_number
from minortom.errors import InputError
from minortom.io.artefact import artefact
from minortom.io.parse import parse_json
from minortom.io.provenance import Provenance
from minortom.progress import OnProgress, ignore_progress
from minortom.scenes.radiometry import GivenOffset


def add(
    ensemble: str | Path,
    extractors: Sequence[str | Path],
    *,
    out: str | Path,
    data: SetName | LabelledSet | None = None,
    root: str | Path | None = None,
    label: str | None = None,
    split_by: SplitBy | None = None,
    s2_bands: BandNames | None = None,
    s1_bands: BandNames | None = None,
    s2_offset: GivenOffset = "auto",
    cache: str | Path | None = None,
    seed: int = 0,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> EnsembleResult:
    """Append extractors to an ensemble; the vectors of its members stay bit-equal.

    The vectors of a new member are standardised by the training images of a set. Without a set, a
    specialist is standardised by the statistics of its own training images, which it stores.

    Args:
        ensemble: Folder of the ensemble, which is not changed.
        extractors: New members, as `load_extractor` takes them, or `NAME=EXTRACTOR`.
        out: Folder to write.
        data: Set of the calibration, as for `build`; none when None.
        root: Folder that holds the set; None without a set and for a `LabelledSet`.
        label: Shards only: column with the labels; `landcover` when None.
        split_by: Shards only: their own splits (`shards`, also when None) or `blocks` of ground.
        s2_bands: Folder only: names of the Sentinel-2 bands, in the order of the files; the names
            in the files when None.
        s1_bands: Folder only: names of the Sentinel-1 bands, as for `s2_bands`.
        s2_offset: Folder only: offset to subtract from Sentinel-2 values without offset tags, in
            reflectance × 10,000; `auto` takes it from the name of the product.
        cache: Folder of cached features; no cache when None.
        seed: Seed of the random convolutions.
        overwrite: Whether to replace an ensemble that was made with other options.
        on_progress: Called with (images done, images in all) for each new member.

    Returns:
        The members, and what is known of the selection of the former ones.

    Raises:
        InputError: If a new member is one of the ensemble already, needs a set and has none, or
            cannot encode it, or an argument is not valid.
        OutputExistsError: If `out` is another output.
    """
    seed = whole_number("seed", seed, minimum=0)
    if data is None:
        _check_unused({
            "--root": root, "--label": label, "--split-by": split_by, "--s2-bands": s2_bands,
            "--s1-bands": s1_bands, "--s2-offset": None if s2_offset == "auto" else s2_offset,
            "--cache": cache,
        })  # fmt: skip
    out = path_of("out", out)
    kept = FeatureCache.beside(out, cache)
    labelled = None if data is None else open_set(
        data, root, label=label, split_by=split_by, s2_bands=s2_bands, s1_bands=s1_bands,
        s2_offset=s2_offset, seed=seed,
    )  # fmt: skip
    addition = Addition(
        former=_ensemble(ensemble), added=named_extractors(extractors), data=labelled, seed=seed
    )
    inputs = [*addition.folders, *([] if root is None else [path_of("root", root)])]
    with artefact(
        out, addition.provenance, inputs=inputs, overwrite=overwrite, record=CONFIG
    ) as made:
        if not made.up_to_date:
            addition.write(made.path, kept, on_progress)
    return read_result(out, made.status)


@dataclass(frozen=True, kw_only=True)
class Addition:
    """An ensemble, and extractors to append to it.

    Raises:
        InputError: If an extractor is a member already, or lacks statistics or images for them.
    """

    former: Ensemble
    added: Mapping[str, Extractor]
    """New members by name."""
    data: LabelledSet | None
    """Set of the calibration."""
    seed: int

    def __post_init__(self) -> None:
        for name, extractor in self.added.items():
            for member in self.former.members:
                if member.name == name:
                    raise InputError(
                        f"expected new members of other names than those of the ensemble, found "
                        f"{name}; give it as NAME=EXTRACTOR"
                    )
                if member.extractor.sha256 == extractor.sha256:
                    raise InputError(
                        f"expected a new member, found that {name} has the SHA-256 of the member "
                        f"{member.name}; leave it out"
                    )
            if self.data is None and not isinstance(extractor, Specialist):
                raise InputError(
                    f"{name} stores no statistics of its vectors, expected --data and --root for "
                    "their calibration, found neither; give both"
                )

    @property
    def folders(self) -> list[Path]:
        """Folders that the output must not replace."""
        return [folder for one in (self.former, *self.added.values()) for folder in one.folders]

    @property
    def provenance(self) -> Provenance:
        """Everything that the larger ensemble depends on."""
        data = self.data
        found = {"ensemble": self.former.sha256, **extractor_hashes(self.added)}
        options: dict[str, object] = {"extractors": list(self.added)}
        licences = [*self.former.licences]
        if data is not None:
            licences += data.licences
            options |= {"data": data.name, **data.record}
            found |= {"data": data.sha256}
        return Provenance(
            command="ensemble add", options=options, inputs=found, seed=self.seed,
            licences=tuple(dict.fromkeys(licences)),
        )  # fmt: skip

    def write(self, folder: Path, cache: FeatureCache, on_progress: OnProgress) -> None:
        """Calibrate the new members, and write all members."""
        assert self.former.folder is not None  # because it was loaded from one
        manifest = parse_json((self.former.folder / MANIFEST).read_text(encoding="utf-8"))
        members, entries = self._calibrated(cache, on_progress)
        ensemble = Ensemble.of([*self.former.members, *members], licences=self.provenance.licences)
        manifest["members"] += entries
        added = {(entry["name"], entry["sha256"]) for entry in entries}
        manifest["rejected"] = [
            entry for entry in manifest["rejected"] if (entry["name"], entry["sha256"]) not in added
        ]
        write_ensemble(folder, ensemble, manifest, self.provenance)

    def _calibrated(
        self, cache: FeatureCache, on_progress: OnProgress
    ) -> tuple[list[Member], list[Entry]]:
        """Return the new members with their entries."""
        if self.data is not None:
            self.data.report()
            calibration = Calibration(
                data=self.data, seed=self.seed, cache=cache, on_progress=on_progress
            )
            found = calibration.calibrate(candidates_for(self.added, self.data, None))
            return [one.member for one in found], [one.entry for one in found]
        members, entries = [], []
        for name, extractor in self.added.items():
            assert isinstance(extractor, Specialist)  # checked above
            member = Member(
                name=name, extractor=extractor, sensors=extractor.sensors,
                statistics=extractor.vector_statistics,
            )  # fmt: skip
            side = extractor.network.image_size
            members.append(member)
            entries.append(member_entry(member, {extractor.sensors[0]: (side, side)}))
        return members, entries


def _check_unused(given: Mapping[str, object]) -> None:
    """Check that no option of a set is given without a set.

    Raises:
        InputError: If one is not None.
    """
    for name, value in given.items():
        if value is not None:
            raise InputError(f"{name} belongs to --data, found {name} alone; give both or none")


def _ensemble(folder: str | Path) -> Ensemble:
    """Load an ensemble.

    Raises:
        InputError: If it is another extractor.
    """
    found = load_extractor(folder)
    if not isinstance(found, Ensemble):
        raise InputError(
            f"expected an ensemble, found an extractor of the kind {found.kind} in {folder}; "
            "make one with `csmoe ensemble build`"
        )
    return found
