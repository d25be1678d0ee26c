"""``minortom.publish``: a folder of shards to a data set of the Hugging Face hub, with its card."""

from dataclasses import dataclass
from pathlib import Path

from minortom.api.arguments import flag, path_of
from minortom.api.results import Result
from minortom.dataset.card import CARD
from minortom.dataset.repository_files import checked_record, write_description
from minortom.dataset.upload import PublishResult, upload
from minortom.errors import InputError, OutputExistsError
from minortom.io.atomic_write import atomic_folder, is_empty_folder
from minortom.progress import OnProgress, ignore_progress
from minortom.remote.hub_upload import HubRepository


@dataclass(frozen=True, kw_only=True)
class PreviewResult(Result):
    """Outcome of `publish` with ``preview``."""

    out: Path
    status: str = "written"
    card: Path
    sent: str = "nothing"


def publish(
    shards: str | Path,
    *,
    repo: str,
    report: str | Path | None = None,
    private: bool = False,
    revision: str | None = None,
    preview: str | Path | None = None,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> PublishResult | PreviewResult:
    """Check shards and publish them as a data set of the Hugging Face hub, with a card and a map.

    All files are sent in one commit. The token is that of ``hf auth login``, or ``HF_TOKEN`` of the
    environment. An interrupted upload resumes when the function is called again.
    ``<shards>.publish.run.json`` records which data set went to which commit.

    Args:
        shards: Folder that ``minortom.export`` made.
        repo: Data set of the hub, as ``user/name``; it is created if it does not exist.
        report: Folder of ``minortom.report`` on the selection that the shards were exported from;
            its table goes into the card.
        private: Make a new data set private; otherwise the owner's default applies.
        revision: Existing branch to commit to; the main branch when None.
        preview: New or empty folder: write card, map and description there and send nothing.
        overwrite: Replace another data set in the repository.
        on_progress: Called with (files sent, files in total).

    Returns:
        The commit and what was sent; with ``preview`` the folder and the card in it.

    Raises:
        ShardError: If the shards are missing or damaged.
        InputError: If an argument is invalid, no user is logged in, the hub refuses or does not
            answer, or the report is of another selection.
        OutputExistsError: If the repository has another data set and ``overwrite`` is false, or
            the preview's folder is not empty.
    """
    folder, private = path_of("shards", shards), flag("private", private)
    overwrite = flag("overwrite", overwrite)
    table = None if report is None else path_of("report", report)
    if not isinstance(repo, str):
        raise InputError(f"repo must be text such as user/name, found {type(repo).__name__}")
    if preview is not None:
        return write_preview(folder, repo, path_of("preview", preview), report=table)
    return upload(
        folder, repo, report=table, private=private or None, revision=revision,
        overwrite=overwrite, on_progress=on_progress,
    )  # fmt: skip


def write_preview(
    shards: Path, repository: str, out: Path, *, report: Path | None = None
) -> PreviewResult:
    """Write the files that would be published beside the shards; use no network.

    Args:
        shards: Folder that ``minortom.export`` made.
        repository: As ``user/name``, for the card.
        out: New or empty folder for the card, the map and the description.
        report: Folder of ``minortom report``.

    Raises:
        ShardError: If the shards are missing or damaged.
        InputError: If the name of the repository is invalid, or the report is not a report or of
            another selection.
        OutputExistsError: If the folder is not empty.
    """
    HubRepository(name=repository, kind="dataset")  # checks the name
    record = checked_record(shards)
    if out.exists() and not is_empty_folder(out):
        raise OutputExistsError(f"{out} must be a new or empty folder, but it has files")
    with atomic_folder(out) as folder:
        write_description(folder, shards, record, repository, report)
    return PreviewResult(out=out, card=out / CARD)
