"""Upload of a data set to the Hugging Face hub, in one commit."""

import hashlib
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from minortom.api.results import Result
from minortom.dataset.repository_files import checked_record, write_description
from minortom.errors import OutputExistsError
from minortom.io.provenance import sha256_of
from minortom.io.run_records import write_run_record
from minortom.io.up_to_date import now
from minortom.progress import OnProgress, ignore_progress
from minortom.remote.hub_upload import HubRepository, RemoteFile, RemoteState
from minortom.shards.layout import DATASET_FILE

_SHARD = re.compile(r"shard-\d+-of-\d+\.parquet")
_MADE_BY_THE_HUB = {".gitattributes"}


@dataclass(frozen=True, kw_only=True)
class PublishResult(Result):
    """Outcome of `publish`."""

    repository: str
    status: str
    """``published``, or ``up to date`` where nothing was sent."""
    commit: str
    """Address of the commit that holds the data set."""
    files_sent: int
    megabytes_sent: float
    """Size of these files. The hub does not need the content that it already has."""
    shards: int
    patches: int


def upload(
    shards: Path,
    repository: str,
    *,
    report: Path | None = None,
    private: bool | None = None,
    revision: str | None = None,
    token: str | None = None,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> PublishResult:
    """Check shards and upload them with their description; create the repository if it is new.

    ``<shards>.publish.run.json`` records which data set went to which commit. An interrupted
    upload resumes with the file that was being sent.

    Args:
        shards: Folder that ``minortom.export`` made.
        repository: As ``user/name``.
        report: Folder of ``minortom report``.
        private: Whether a new repository is private; the owner's default when None.
        revision: Existing branch to commit to; the main branch when None.
        token: Token with write access; that of ``hf auth login`` when None.
        overwrite: Replace another data set in the repository.
        on_progress: Called with (files sent, files in total).

    Raises:
        ShardError: If the shards are missing or damaged.
        InputError: If no user is logged in, the hub refuses or does not answer, or the report is
            not a report or of another selection.
        OutputExistsError: If the repository has another data set and ``overwrite`` is false.
    """
    started = now()
    hub = HubRepository(name=repository, kind="dataset", revision=revision, token=token)
    hub.check_login()
    record = checked_record(shards)
    with tempfile.TemporaryDirectory(prefix="minortom-") as temporary:
        files = write_description(Path(temporary), shards, record, repository, report)
        files |= {entry["file"]: shards / entry["file"] for entry in record["shards"]}
        hashes = {entry["file"]: entry["sha256"] for entry in record["shards"]}
        if revision is None:  # a new repository would be created without the branch
            hub.make(private=private)
        state = hub.state()
        changed = _changed(files, hashes, state)
        if DATASET_FILE in changed and set(state.files) - _MADE_BY_THE_HUB and not overwrite:
            raise OutputExistsError(
                f"{repository} exists and has other content than {shards}; look at its page, "
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
                details={
                    "repository": repository, "commit": commit, "files_sent": sorted(changed),
                    "dataset_sha256": sha256_of(shards / DATASET_FILE),
                },
            )  # fmt: skip
    return PublishResult(
        repository=repository, status="published" if changed else "up to date", commit=commit,
        files_sent=len(changed), megabytes_sent=round(sent_bytes / 1e6, 1),
        shards=len(record["shards"]), patches=sum(int(entry["rows"]) for entry in record["shards"]),
    )  # fmt: skip


def _changed(
    files: Mapping[str, Path], hashes: Mapping[str, str], state: RemoteState
) -> dict[str, Path]:
    """Return the files that the repository does not have, or has with other content."""
    return {
        name: path
        for name, path in files.items()
        if not _is_same(path, hashes.get(name), state.files.get(name))
    }


def _is_same(path: Path, sha256: str | None, remote: RemoteFile | None) -> bool:
    if remote is None:
        return False
    if remote.sha256 is not None:
        return remote.sha256 == (sha256 or sha256_of(path))
    content = path.read_bytes()  # of small files the hub has only the hash of git
    header = f"blob {len(content)}\0".encode()
    return remote.git_sha1 == hashlib.sha1(header + content, usedforsecurity=False).hexdigest()
