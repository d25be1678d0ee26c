"""Folder of a training run: its files, and the check whether a new run may use it.

config.yaml             the complete configuration, written first
parent.json             provenance and statistics of the checkpoint of `--weights`
log.csv                 loss terms, written during the run
experts.csv             usage of the experts, layer by layer
reconstructions/        reconstructions of some validation pairs
tensorboard/            the same logs for TensorBoard
checkpoints/last.ckpt   Lightning checkpoint from which `--resume` continues
epochs/0010/            weights after ten epochs, with `keep_every`
replaced/               the run that `--overwrite` replaces, until this one is finished
curve.png               loss terms over the steps, written at the end
model-ema/              averaged weights, with `ema_decay`
model/                  weights, written last: a run with this folder is finished
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml

from csmoe_model.checkpoints.hub import CONFIG
from csmoe_model.nn.loss_terms import LOCAL_GLOBAL
from csmoe_model.runs.csv_log import RunLog, expert_columns, pretraining_columns
from minortom.api.arguments import flag
from minortom.errors import InputError, OutputExistsError, ShardError
from minortom.io.atomic_write import atomic_folder, check_parents, is_empty_folder, write_text
from minortom.io.leftovers import remove, temporary_beside
from minortom.io.parse_yaml import parse_yaml
from minortom.io.provenance import KEY, Provenance
from minortom.io.schema import (
    PROVENANCE,
    anything,
    count,
    list_of,
    map_of,
    optional,
    record,
    text,
)
from minortom.io.up_to_date import check_not_input, stored_provenance

State = Literal["new", "unfinished", "lengthened", "finished"]

_LENGTH = {"train.epochs", "train.steps"}
_SHARDS = f"{KEY}.inputs.shards"
_REPLACED = "replaced"

_CONFIGURATION = record(
    recipe=text, model=record(num_experts=optional(count)), train=map_of(anything),
    weights=optional(text), lengthened=optional(list_of(count)), **{KEY: PROVENANCE},
)  # fmt: skip

_MISSING = "not given"
"""Value of an option that a configuration leaves out at its default, for errors."""
_MAX_NAMED = 5
"""Maximum number of differing values in an error message."""


class RunFolder:
    """Paths of a run, and its stored configuration."""

    def __init__(
        self, path: Path, *, columns: Sequence[str] | None = None, logs_experts: bool = True
    ) -> None:
        """Store the paths.

        Args:
            path: The folder.
            columns: Columns of `log.csv`; those of a pretraining run of its model when None.
            logs_experts: Whether a new run of a model with experts has the log `experts.csv`.
        """
        self.path = path
        self._columns, self._logs_experts = columns, logs_experts
        self.config = path / "config.yaml"
        self.parent = path / "parent.json"
        self.checkpoint = path / "checkpoints" / "last.ckpt"
        self.epochs = path / "epochs"
        self.curve = path / "curve.png"
        self.reconstructions = path / "reconstructions"
        self.ema = path / "model-ema"
        self.model = path / "model"
        self.replaced = path / _REPLACED

    def epoch_folder(self, epochs: int) -> "RunFolder":
        """Return the folder with the copy of the weights after a number of epochs."""
        return RunFolder(self.epochs / f"{epochs:04d}")

    @property
    def log(self) -> RunLog:
        """Log of the loss terms."""
        model = (self.stored() or {}).get("model", {}) if self._columns is None else {}
        columns = self._columns or pretraining_columns(crops=bool(model.get(LOCAL_GLOBAL)))
        return RunLog(self.path / "log.csv", columns)

    @property
    def experts(self) -> RunLog:
        """Log of the layers with experts; it has no file for a model without experts."""
        model = (self.stored() or {}).get("model", {})
        return RunLog(self.path / "experts.csv", expert_columns(int(model.get("num_experts", 0))))

    def state(
        self, provenance: Provenance, *, inputs: Sequence[Path], resume: bool, overwrite: bool
    ) -> State:
        """Return the state of the folder; raise an error if it does not fit the options.

        A finished run that is resumed with another length is `lengthened`.

        Raises:
            OutputExistsError: If the folder holds something else, or an unfinished run, and
                neither `resume` nor `overwrite` is set.
            InputError: If there is no run to resume, it is another one, or it contains an input.
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
        finished = self._is_finished(stored)
        if not differing and finished:
            return "finished"
        if resume:
            return self._resumed(differing, finished=finished)
        check_not_input(self.path, inputs)  # before the advice to give --overwrite
        if overwrite:
            return "new"
        if differing:
            raise OutputExistsError(
                f"{self.path} exists with other inputs or options: "
                f"{'; '.join(one.text for one in differing)}; give --overwrite or another --out"
            )
        raise OutputExistsError(
            f"{self.path} holds an unfinished run with the same configuration; give --resume to "
            "continue it, or --overwrite to start again"
        )

    def _resumed(self, differing: "list[_Difference]", *, finished: bool) -> State:
        """Return the state of a run to resume."""
        keys = {one.key for one in differing}
        if _SHARDS in keys:
            raise InputError(
                f"--resume needs the shards of the run in {self.path}, found other shards; to "
                f"train its weights on other shards, give --weights {self.path} and another --out"
            )
        if keys and keys <= _LENGTH and finished:
            return "lengthened"
        if differing:
            named = "; ".join(one.text for one in differing[:_MAX_NAMED])
            advice = "give the same options or another --out"
            if keys <= _LENGTH:
                advice = "finish it with --resume alone, then give its new length"
            raise InputError(
                f"--resume needs the configuration of the run in {self.path}: {named}"
                f"{' …' * (len(differing) > _MAX_NAMED)}; {advice}"
            )
        return "unfinished"

    def _is_finished(self, stored: Mapping[str, Any]) -> bool:
        """Return whether the folder has weights that are not older than its present length."""
        record = stored_provenance(self.model / CONFIG)
        options = record.get("options") if record else None
        former = options.get("lengthened") if isinstance(options, dict) else None
        return self.model.is_dir() and (record is None or former == stored.get("lengthened"))

    def stored(self) -> dict[str, Any] | None:
        """Return the stored configuration; None if the folder is not a run.

        Raises:
            InputError: If it is a configuration with a value of another type.
        """
        try:
            found = parse_yaml(self.config.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not (isinstance(found, dict) and KEY in found):
            return None
        try:
            _CONFIGURATION(found, "")
        except ValueError as error:
            raise InputError(
                f"{self.config} is damaged ({error}); restore it, or give another folder"
            ) from None
        return found

    def start(
        self, provenance: Provenance, *, more: "Callable[[RunFolder], None] | None" = None
    ) -> None:
        """Create the folder with its configuration; keep a previous run in `replaced`.

        Args:
            provenance: Provenance of the run.
            more: Writes more files into the folder before it takes its place.
        """
        if is_empty_folder(self.path):
            self.path.rmdir()
        with atomic_folder(self.path) as folder:
            new = RunFolder(folder, columns=self._columns)
            new.checkpoint.parent.mkdir()
            new.configure(provenance)
            new.log.start()
            if self._logs_experts and len(new.experts.columns) > len(expert_columns(0)):
                new.experts.start()
            if more is not None:
                more(new)
            if self.path.exists():
                self._link_into(new.replaced)

    def _link_into(self, copy: Path) -> None:
        """Copy the run by hard links; if it is unfinished, the run that it replaces itself."""
        whole = self.model.is_dir() or not self.replaced.is_dir()
        shutil.copytree(
            self.path if whole else self.replaced, copy, symlinks=True, copy_function=_link,
            ignore=shutil.ignore_patterns(_REPLACED),
        )  # fmt: skip

    @contextmanager
    def removed_on_bad_input(self, *, is_new: bool) -> Iterator[None]:
        """Do the work of a run in the body; undo `start` if bad input stops it without weights.

        Args:
            is_new: Whether this process has started the run; other runs stay.

        Raises:
            InputError: That of the body; ShardError likewise.
        """
        try:
            yield
        except (InputError, ShardError):
            if is_new and not (self.checkpoint.is_file() or self.epochs.is_dir()):
                with suppress(OSError):  # which would hide the error of the input
                    self._remove()
            raise

    def _remove(self) -> None:
        """Remove the run, and put back the one that it replaced."""
        if not self.replaced.is_dir():
            with temporary_beside(self.path, is_folder=True) as folder:
                self.path.rename(folder / self.path.name)
            return
        with atomic_folder(self.path) as folder:
            shutil.copytree(
                self.replaced, folder, symlinks=True, copy_function=_link, dirs_exist_ok=True
            )

    def delete_replaced(self) -> None:
        """Delete the run that this finished one replaces."""
        remove(self.replaced)

    def configure(self, provenance: Provenance) -> None:
        """Write the configuration."""
        text = yaml.safe_dump(configuration(provenance), sort_keys=False, allow_unicode=True)
        write_text(self.config, text)


def _link(source: str, copy: str) -> None:
    """Make a hard link, or a copy on a file system without them."""
    try:
        os.link(source, copy)
    except OSError:
        shutil.copy2(source, copy)


def configuration(provenance: Provenance) -> dict[str, object]:
    """Return a run's provenance as `config.yaml` stores it: options first, then the rest."""
    record = provenance.as_dict()
    return {**record.pop("options"), KEY: record}


class _Difference(NamedTuple):
    """A value of the configuration that the options change."""

    key: str
    there: object
    now: object

    @property
    def text(self) -> str:
        return f"{self.key} is {self.there} in the run and {self.now} in the options"


def _differing(
    stored: Mapping[str, Any], wanted: Mapping[str, Any], prefix: str = ""
) -> Iterator[_Difference]:
    """Yield each value that differs, with the stored and the requested value."""
    for key in (*wanted, *(key for key in stored if key not in wanted)):
        there, now = stored.get(key, _MISSING), wanted.get(key, _MISSING)
        if isinstance(there, dict) and isinstance(now, dict):
            yield from _differing(there, now, f"{prefix}{key}.")
        elif there != now:
            yield _Difference(f"{prefix}{key}", there, now)
