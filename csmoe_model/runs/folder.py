"""Folder of a training run: its files, and the check whether a new run may use it.

config.yaml             the complete configuration, written first
log.csv                 loss terms, written during the run
experts.csv             usage of the experts, layer by layer
reconstructions/        reconstructions of some validation pairs
tensorboard/            the same logs for TensorBoard
checkpoints/last.ckpt   Lightning checkpoint from which `--resume` continues
epochs/0010/            weights after ten epochs, with `keep_every`
curve.png               loss terms over the steps, written at the end
model-ema/              averaged weights, with `ema_decay`
model/                  weights, written last: a run with this folder is finished
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml

from csmoe_model.runs.csv_log import RunLog, expert_columns
from minortom.api.arguments import flag
from minortom.errors import InputError, OutputExistsError
from minortom.io.atomic_write import atomic_folder, check_parents, is_empty_folder
from minortom.io.provenance import KEY, Provenance

State = Literal["new", "unfinished", "finished"]

_MAX_NAMED = 5
"""Maximum number of differing values in an error message."""


class RunFolder:
    """Paths of a run, and its stored configuration."""

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

    def epoch_folder(self, epochs: int) -> "RunFolder":
        """Return the folder with the copy of the weights after a number of epochs."""
        return RunFolder(self.epochs / f"{epochs:04d}")

    @property
    def experts(self) -> RunLog:
        """Log of the layers with experts; it has no file for a model without experts."""
        model = (self.stored() or {}).get("model", {})
        return RunLog(self.path / "experts.csv", expert_columns(int(model.get("num_experts", 0))))

    def state(self, provenance: Provenance, *, resume: bool, overwrite: bool) -> State:
        """Return the state of the folder; raise an error if it does not fit the options.

        Raises:
            OutputExistsError: If the folder holds something else, or an unfinished run, and
                neither `resume` nor `overwrite` is set.
            InputError: If there is no run to resume, or its configuration differs.
        """
        resume, overwrite = flag("resume", resume), flag("overwrite", overwrite)
        check_parents(self.path)
        if not self.path.exists() or is_empty_folder(self.path):
            if resume:
                raise InputError(f"--resume needs a run, found none in {self.path}; check --out")
            return "new"
        stored = self.stored()
        if stored is None:
            # Even --overwrite must not delete a folder with unknown content.
            raise OutputExistsError(f"{self.path} exists and is not a run; give another --out")
        differing = list(_differing(stored, configuration(provenance)))
        named = "; ".join(differing[:_MAX_NAMED]) + " …" * (len(differing) > _MAX_NAMED)
        if not differing and self.model.is_dir():
            return "finished"
        if resume:
            if differing:
                raise InputError(
                    f"--resume needs the configuration of the run in {self.path}: {named}; give "
                    "the same options or another --out"
                )
            return "unfinished"
        if overwrite:
            return "new"
        if differing:
            raise OutputExistsError(
                f"{self.path} exists with other inputs or options: {'; '.join(differing)}; "
                "give --overwrite or another --out"
            )
        raise OutputExistsError(
            f"{self.path} holds an unfinished run with the same configuration; give --resume to "
            "continue it, or --overwrite to start again"
        )

    def stored(self) -> dict[str, Any] | None:
        """Return the stored configuration; None if the folder is not a run."""
        try:
            found = yaml.safe_load(self.config.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError):
            return None
        return found if isinstance(found, dict) and KEY in found else None

    def start(self, provenance: Provenance) -> None:
        """Create the folder with its configuration; delete a previous run."""
        if is_empty_folder(self.path):
            self.path.rmdir()
        text = yaml.safe_dump(configuration(provenance), sort_keys=False, allow_unicode=True)
        with atomic_folder(self.path) as folder:
            new = RunFolder(folder)
            new.checkpoint.parent.mkdir()
            new.config.write_text(text, encoding="utf-8")
            new.log.start()
            if len(new.experts.columns) > len(expert_columns(0)):
                new.experts.start()


def configuration(provenance: Provenance) -> dict[str, object]:
    """Return a run's provenance as `config.yaml` stores it: options first, then the rest."""
    record = provenance.as_dict()
    return {**record.pop("options"), KEY: record}


def _differing(
    stored: Mapping[str, Any], wanted: Mapping[str, Any], prefix: str = ""
) -> Iterator[str]:
    """Yield a text for each value that differs, with the stored and the requested value."""
    for key in (*wanted, *(key for key in stored if key not in wanted)):
        there, now = stored.get(key), wanted.get(key)
        if isinstance(there, dict) and isinstance(now, dict):
            yield from _differing(there, now, f"{prefix}{key}.")
        elif there != now:
            yield f"{prefix}{key} is {there} in the run and {now} in the options"
