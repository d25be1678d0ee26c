"""The folder of a training run: what lies where, and whether a new run may use it.

config.yaml             the whole configuration, written first
log.csv                 loss terms, as the run goes
experts.csv             who uses which expert, layer by layer
reconstructions/        some pairs of the validation split as they are drawn
tensorboard/            the same for TensorBoard
checkpoints/last.ckpt   what `--resume` goes on from; a Lightning checkpoint
epochs/0010/            weights after ten epochs, where they are to be kept
curve.png               the terms over the steps, at the end
model-ema/              the averaged weights, where they are asked for
model/                  the weights, last of all: a run that has it is finished
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml

from csmoe_model.runs.csv_log import RunLog, expert_columns
from minortom.errors import InputError, OutputExistsError
from minortom.io.atomic_write import check_parents, is_empty_folder, whole_folder
from minortom.io.provenance import KEY, Provenance

State = Literal["new", "unfinished", "finished"]

_MAX_NAMED = 5
"""Differing values that a message names."""


class RunFolder:
    """Paths of a run, and its configuration on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.log = RunLog(path / "log.csv")
        self.checkpoint = path / "checkpoints" / "last.ckpt"
        self.epochs = path / "epochs"
        self.curve = path / "curve.png"
        self.reconstructions = path / "reconstructions"
        self.ema = path / "model-ema"
        self.model = path / "model"

    def after(self, epochs: int) -> "RunFolder":
        """Give the folder of the weights that are kept after some epochs, and nothing else."""
        return RunFolder(self.epochs / f"{epochs:04d}")

    @property
    def experts(self) -> RunLog:
        """The log of the layers with experts; a model without them has none."""
        model = (self.stored() or {}).get("model", {})
        return RunLog(self.path / "experts.csv", expert_columns(int(model.get("num_experts", 0))))

    def state(self, provenance: Provenance, *, resume: bool, overwrite: bool) -> State:
        """Say what there is to do; complain where that is not what the user asked for.

        Raises:
            OutputExistsError: If there is something else, or an unfinished run, and the
                options do not say what to do with it.
            InputError: If there is nothing to go on from, or its configuration differs.
        """
        check_parents(self.path)
        if not self.path.exists() or is_empty_folder(self.path):
            if resume:
                raise InputError(f"--resume: there is no run in {self.path}; check --out")
            return "new"
        stored = self.stored()
        if stored is None:
            # Even --overwrite must not delete a folder that holds who knows what.
            raise OutputExistsError(f"{self.path} exists and is no run; give another --out")
        differing = list(_differing(stored, configuration(provenance)))
        named = "; ".join(differing[:_MAX_NAMED]) + " …" * (len(differing) > _MAX_NAMED)
        if not differing and self.model.is_dir():
            return "finished"
        if resume:
            if differing:
                raise InputError(
                    f"--resume: the run in {self.path} is configured otherwise: "
                    f"{named}; give the same options or another --out"
                )
            return "unfinished"
        if overwrite:
            return "new"
        if differing:
            raise OutputExistsError(
                f"{self.path} exists, made with other inputs or options: {'; '.join(differing)}; "
                "give --overwrite or another --out"
            )
        raise OutputExistsError(
            f"{self.path} holds an unfinished run of the same configuration; give --resume to "
            "go on, or --overwrite to start anew"
        )

    def stored(self) -> dict[str, Any] | None:
        """Read the configuration of the run that is there; None where there is none."""
        try:
            found = yaml.safe_load(self.config.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError):
            return None
        return found if isinstance(found, dict) and KEY in found else None

    def start(self, provenance: Provenance) -> None:
        """Make the folder with its configuration; a former run in its place goes."""
        if is_empty_folder(self.path):
            self.path.rmdir()
        text = yaml.safe_dump(configuration(provenance), sort_keys=False, allow_unicode=True)
        with whole_folder(self.path) as folder:
            new = RunFolder(folder)
            new.checkpoint.parent.mkdir()
            new.config.write_text(text, encoding="utf-8")
            new.log.start()
            if len(new.experts.columns) > len(expert_columns(0)):
                new.experts.start()


def configuration(provenance: Provenance) -> dict[str, object]:
    """Lay a run's provenance out as `config.yaml`: the options on top, all else below."""
    record = json.loads(provenance.to_json())
    return {**record.pop("options"), KEY: record}


def _differing(
    stored: Mapping[str, Any], wanted: Mapping[str, Any], prefix: str = ""
) -> Iterator[str]:
    """Name the values that differ, each with what is there and what is wanted."""
    for key in (*wanted, *(key for key in stored if key not in wanted)):
        there, now = stored.get(key), wanted.get(key)
        if isinstance(there, dict) and isinstance(now, dict):
            yield from _differing(there, now, f"{prefix}{key}.")
        elif there != now:
            yield f"{prefix}{key} is {there} there and {now} here"
