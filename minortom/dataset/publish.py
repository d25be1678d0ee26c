"""A folder of shards to a data set of the Hugging Face hub, with its card.

The card, a map and a description for machines are written beside the shards of the repository,
never into the user's folder. All comes in one commit.
"""

import hashlib
import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minortom.dataset.card import CARD, data_card
from minortom.dataset.croissant import CROISSANT, croissant_record
from minortom.dataset.verify import verify_shards
from minortom.errors import InputError, OutputExistsError, ShardError
from minortom.io.atomic_write import is_empty_folder, whole_folder, write_json
from minortom.io.provenance import KEY, sha256_of
from minortom.io.up_to_date import now, write_run_record
from minortom.progress import OnProgress, ignore_progress
from minortom.remote.hub_upload import HubRepository, RemoteFile, RemoteState
from minortom.shards.layout import DATASET_FILE
from minortom.shards.record import read_record
from minortom.shards.shard_set import ShardSet

MAP = "map.png"
_METRICS = "metrics.json"  # of a report
_SHARD = re.compile(r"shard-\d+-of-\d+\.parquet")
_OF_THE_HUB = {".gitattributes"}


@dataclass(frozen=True, kw_only=True)
class Published:
    """What became of a set on the hub."""

    repository: str
    commit: str
    """Address of the commit that holds the set."""
    files_sent: int
    megabytes_sent: float
    """Of these files; what the hub had of them did not travel."""
    shards: int
    patches: int

    def as_dict(self) -> dict[str, object]:
        """Give all of it, for printing."""
        return {
            "repository": self.repository,
            "status": "published" if self.files_sent else "up to date",
            "commit": self.commit, "files_sent": self.files_sent,
            "megabytes_sent": self.megabytes_sent, "shards": self.shards, "patches": self.patches,
        }  # fmt: skip


def publish_shards(
    shards: Path,
    repository: str,
    *,
    report: Path | None = None,
    private: bool | None = None,
    revision: str | None = None,
    token: str | None = None,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> Published:
    """Put a checked set into a data set of the hub, which is made where there is none.

    ``<shards>.publish.run.json`` tells which set went where. An interrupted call goes on with the
    file that was on its way.

    Args:
        shards: What ``minortom export`` made.
        repository: As ``user/name``.
        report: Folder of ``minortom report``, of the selection that the shards were made from.
        private: Whether a new repository is private; the owner's usual when None.
        revision: Branch to commit to, of a repository that is there; the main one when None.
        token: That may write; that of ``hf auth login`` when None.
        overwrite: Whether another set in the repository may be replaced.
        on_progress: Told of (files sent, files in all).

    Raises:
        ShardError: If the shards are missing or damaged.
        InputError: If nobody is logged in, the hub refuses or does not answer, or the report is
            none or of another selection.
        OutputExistsError: If the repository holds something else, and ``overwrite`` is false.
    """
    started = now()
    hub = HubRepository(name=repository, kind="dataset", revision=revision, token=token)
    hub.check_login()
    record = _checked_record(shards)
    with tempfile.TemporaryDirectory(prefix="minortom-") as temporary:
        files = _small_files(Path(temporary), shards, record, repository, report)
        files |= {entry["file"]: shards / entry["file"] for entry in record["shards"]}
        hashes = {entry["file"]: entry["sha256"] for entry in record["shards"]}
        if revision is None:  # a new one would not have the branch, and stay behind empty
            hub.make(private=private)
        state = hub.state()
        changed = _changed(files, hashes, state)
        if DATASET_FILE in changed and set(state.files) - _OF_THE_HUB and not overwrite:
            raise OutputExistsError(
                f"{repository} exists and holds something else than {shards}; look at its page, "
                "then give --overwrite or another --repo"
            )
        stale = [name for name in state.files if _SHARD.fullmatch(name) and name not in files]
        sent_bytes = sum(path.stat().st_size for path in changed.values())
        commit = hub.address_of(state.commit)
        if changed or stale:
            commit = hub.commit(
                changed, delete=stale, hashes=hashes, onto=state.commit,
                message=f"Publish {len(record['shards'])} shards with minortom",
                on_progress=on_progress,
            )  # fmt: skip
            write_run_record(
                shards.resolve().with_name(f"{shards.resolve().name}.publish"), started,
                repository=repository, commit=commit, files_sent=sorted(changed),
                dataset_sha256=sha256_of(shards / DATASET_FILE),
            )  # fmt: skip
    return Published(
        repository=repository, commit=commit, files_sent=len(changed),
        megabytes_sent=round(sent_bytes / 1e6, 1), shards=len(record["shards"]),
        patches=sum(int(entry["rows"]) for entry in record["shards"]),
    )  # fmt: skip


def preview_card(
    shards: Path, repository: str, out: Path, *, report: Path | None = None
) -> dict[str, object]:
    """Write what would be published beside the shards into a folder, and ask nobody.

    Args:
        shards: What ``minortom export`` made.
        repository: As ``user/name``, for the card's lines.
        out: New or empty folder for the card, the map and the description.
        report: As of ``publish_shards``.

    Returns:
        What there is to tell, for people.

    Raises:
        ShardError: If the shards are missing or damaged.
        InputError: If the repository's name is none, or the report is none or of another selection.
        OutputExistsError: If the folder holds something.
    """
    HubRepository(name=repository, kind="dataset")
    record = _checked_record(shards)
    if out.exists() and not is_empty_folder(out):
        raise OutputExistsError(f"{out} exists; give a folder that is new or empty")
    with whole_folder(out) as folder:
        _small_files(folder, shards, record, repository, report)
    return {"out": str(out), "status": "written", "card": str(out / CARD), "sent": "nothing"}


def _checked_record(shards: Path) -> dict[str, Any]:
    record = read_record(shards)
    problems = verify_shards(shards).problems
    if problems:
        more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
        raise ShardError(
            f"{shards} is damaged and was not published: {problems[0]}{more}; "
            "`minortom verify` tells all"
        )
    return record


def _small_files(
    folder: Path, shards: Path, record: Mapping[str, Any], repository: str, report: Path | None
) -> dict[str, Path]:
    """Write all but the shards into a folder; gives them by name."""
    rows = _report_rows(report, record) if report else ()
    card = data_card(record, place=repository, picture=MAP, report=rows)
    (folder / CARD).write_text(card, encoding="utf-8")
    url = f"https://huggingface.co/datasets/{repository}"
    name = repository.partition("/")[2]
    write_json(folder / CROISSANT, croissant_record(record, name=name, url=url))
    (folder / MAP).write_bytes(_map_of(shards))
    (folder / DATASET_FILE).write_bytes((shards / DATASET_FILE).read_bytes())
    return {name: folder / name for name in (CARD, CROISSANT, MAP, DATASET_FILE)}


def _map_of(shards: Path) -> bytes:
    """Draw where the tiles lie, each once, by the first of its patches."""
    from minortom.plotting.density_map import density_map

    table = ShardSet.open(shards).metadata(["grid_cell", "lat", "lon"])
    cells = table.group_by("grid_cell", use_threads=False).aggregate(
        [("lat", "first"), ("lon", "first")]
    )
    points = (cells["lon_first"].to_numpy(), cells["lat_first"].to_numpy())
    return density_map({f"{len(cells):,} tiles": points}, annotated=points)


def _report_rows(report: Path, record: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Read the metrics of the selection that the shards were made from."""
    path = report / _METRICS
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
        rows, selection = list(metrics["rows"]), metrics[KEY]["inputs"]["selection"]
        _ = [row["set"] for row in rows]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(
            f"{report} is no report with a {_METRICS}; wanted the folder of `minortom report`"
        ) from None
    if record[KEY].get("inputs", {}).get("selection") != selection:
        raise InputError(
            f"{report} is of another selection than the shards; run `minortom report` on the "
            "selection that they were exported from"
        )
    return rows


def _changed(
    files: Mapping[str, Path], hashes: Mapping[str, str], state: RemoteState
) -> dict[str, Path]:
    """Find what the repository lacks, or has otherwise."""
    return {
        name: path
        for name, path in files.items()
        if not _is_there(path, hashes.get(name), state.files.get(name))
    }


def _is_there(path: Path, sha256: str | None, remote: RemoteFile | None) -> bool:
    if remote is None:
        return False
    if remote.sha256 is not None:
        return remote.sha256 == (sha256 or sha256_of(path))
    content = path.read_bytes()  # git keeps small files alone
    header = f"blob {len(content)}\0".encode()
    return remote.git_sha1 == hashlib.sha1(header + content, usedforsecurity=False).hexdigest()
