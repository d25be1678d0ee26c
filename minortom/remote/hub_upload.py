"""Files into a repository of the Hugging Face hub: models and data sets alike.

`huggingface_hub` does the work, with its users' token and `HF_*` variables. All files come in one
commit: a reader finds the old ones or the new ones, never some of each. Large files are sent one
by one before it, and what the hub holds is not sent again.
"""

import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from minortom.errors import InputError
from minortom.progress import OnProgress, ignore_progress

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")

_STATUS_IN_WORDS = re.compile(r"status (?:client|server) error \((\d{3})\b")
_ADDRESS = re.compile(r"https?://\S+")
"""May be signed."""
_LONGEST = 300


def is_repository(name: str) -> bool:
    """Tell whether a name has the form of a repository's, `user/name`."""
    return bool(_REPOSITORY.fullmatch(name))


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file that a repository holds."""

    sha256: str | None
    """Of a large file."""
    git_sha1: str | None
    """Git's hash of what git itself keeps: a small file, or the pointer to a large one."""


@dataclass(frozen=True, kw_only=True)
class RemoteState:
    """What a repository holds at a commit."""

    commit: str
    files: Mapping[str, RemoteFile]
    """By path."""


@dataclass(frozen=True, kw_only=True)
class HubRepository:
    """A repository to write to.

    Raises:
        InputError: If the name is none.
    """

    name: str
    """As `user/name`."""
    kind: Literal["model", "dataset"]
    revision: str | None = None
    """Branch to commit to; the main one when None."""
    token: str | None = field(default=None, repr=False)
    """That may write; that of `hf auth login` when None."""

    def __post_init__(self) -> None:
        if not is_repository(self.name):
            raise InputError(f"{self.name!r} is no repository of the hub; wanted user/name")

    def check_login(self) -> None:
        """Make sure that there is a token.

        Raises:
            InputError: If there is none.
        """
        from huggingface_hub import get_token

        if not (self.token or get_token()):
            raise InputError(
                f"wanted to write to {self.name}, but nobody is logged in to the hub; run "
                "`hf auth login` with a token that may write, or set HF_TOKEN"
            )

    def make(self, *, private: bool | None = None) -> None:
        """Make the repository where there is none.

        Args:
            private: Whether a new one is private; the owner's usual when None.

        Raises:
            InputError: If the hub refuses or does not answer.
        """
        with told_in_one_line(self.name, self.revision):
            self._hub.create_repo(self.name, repo_type=self.kind, private=private, exist_ok=True)

    def state(self) -> RemoteState:
        """Ask what the repository holds.

        Raises:
            InputError: If there is none, or no such branch, or the hub does not answer.
        """
        with told_in_one_line(self.name, self.revision):
            hub = self._hub
            ask = hub.dataset_info if self.kind == "dataset" else hub.model_info
            info = ask(self.name, revision=self.revision, files_metadata=True)
        files = {
            item.rfilename: RemoteFile(
                sha256=item.lfs.sha256 if item.lfs else None, git_sha1=item.blob_id
            )
            for item in info.siblings or ()
        }
        return RemoteState(commit=str(info.sha), files=files)

    def commit(
        self,
        files: Mapping[str, Path],
        *,
        message: str,
        delete: Iterable[str] = (),
        hashes: Mapping[str, str] | None = None,
        onto: str | None = None,
        on_progress: OnProgress = ignore_progress,
    ) -> str:
        """Put files into the repository, and take others out, in one commit.

        A connection that breaks costs the file that was on its way: the same call goes on with it.

        Args:
            files: By their path there.
            message: Of the commit.
            delete: Paths to take out.
            hashes: SHA-256 that some of the files are said to have.
            onto: Commit that the new one must follow; any when None.
            on_progress: Told of (files sent, files in all).

        Returns:
            The address of the commit.

        Raises:
            InputError: If the hub refuses or does not answer, or a file has another hash.
        """
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        additions = [
            CommitOperationAdd(path_in_repo=name, path_or_fileobj=path)
            for name, path in files.items()
        ]
        deletions = [CommitOperationDelete(path_in_repo=name) for name in delete]
        with told_in_one_line(self.name, self.revision):
            on_progress(0, len(additions))
            for done, addition in enumerate(additions, start=1):
                self._hub.preupload_lfs_files(
                    self.name, [addition], repo_type=self.kind, revision=self.revision
                )
                wanted = (hashes or {}).get(addition.path_in_repo)
                if wanted and addition.upload_info.sha256.hex() != wanted:
                    raise InputError(
                        f"{files[addition.path_in_repo]} is damaged: its SHA-256 is not the one "
                        "on record; nothing was published; make or copy it again"
                    )
                on_progress(done, len(additions))
            made = self._hub.create_commit(
                self.name, [*additions, *deletions], commit_message=message, repo_type=self.kind,
                revision=self.revision, parent_commit=onto,
            )  # fmt: skip
        return str(made.commit_url)

    def address_of(self, commit: str) -> str:
        """Give the address of a commit."""
        folder = "datasets/" if self.kind == "dataset" else ""
        return f"{self._hub.endpoint}/{folder}{self.name}/commit/{commit}"

    @property
    def _hub(self) -> "HfApi":
        from huggingface_hub import HfApi

        return HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=self.token)


@contextmanager
def told_in_one_line(repository: str, revision: str | None) -> Iterator[None]:
    """Turn what the hub answers into what a user can do about it, and keep its library quiet."""
    from huggingface_hub import errors

    # httpx's or httpx2's, whichever the hub's library stands on.
    of_network = getattr(errors, "HTTPError", OSError)
    try:
        with _quiet():
            yield
    except errors.GatedRepoError:
        raise InputError(
            f"{repository} is gated; ask for access on its page, then `hf auth login`"
        ) from None
    except errors.RepositoryNotFoundError:
        raise InputError(
            f"{repository} is no repository of the hub that you may see; check the name, or "
            "`hf auth login` if it is private"
        ) from None
    except errors.RevisionNotFoundError:
        raise InputError(f"{repository} has no revision {revision}; check its page") from None
    except errors.OfflineModeIsEnabled:
        raise InputError(
            f"{repository}: the hub was not asked, since HF_HUB_OFFLINE is set; unset it"
        ) from None
    except errors.HFValidationError as error:
        raise InputError(f"{repository} is no repository of the hub: {error}") from None
    except (errors.HfHubHTTPError, of_network) as error:
        raise _failed(repository, error) from None
    except ConnectionError as error:  # of the transport in Rust, where that is installed
        raise _failed(repository, error) from None
    except OSError as error:  # of the same; a file of this machine has a number
        if error.errno is not None:
            raise
        if isinstance(error, PermissionError):
            raise InputError(
                f"the hub does not let you write to {repository}; `hf auth login` with a token "
                "that may"
            ) from None
        raise _failed(repository, error) from None
    except (ValueError, RuntimeError) as error:  # the answer was no, or none of the hub's
        # Of a large file the cause tells.
        raise _failed(repository, error.__cause__ or error) from None


def _failed(repository: str, error: BaseException) -> InputError:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if told := _STATUS_IN_WORDS.search(str(error)):
        status = status or int(told[1])
    found = f"HTTP {status}" if status else type(error).__name__
    advice = "try again later"
    if status in (401, 403):
        advice = "`hf auth login` with a token that may"
    elif status in (409, 412):
        advice = "somebody else changes it at this time; look at its page, then try again"
    elif isinstance(error, ValueError | RuntimeError):
        found = _without_addresses(error)
        advice = "look at its page and at your account there, then try again"
    return InputError(f"the request to the hub about {repository} failed ({found}); {advice}")


def _without_addresses(error: BaseException) -> str:
    """Give the last line of what an error says: the hub's own words, where it has some."""
    last = (str(error).strip() or type(error).__name__).splitlines()[-1]
    return _ADDRESS.sub("…", last)[:_LONGEST]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the hub's library from telling of each attempt, and from bars of its own."""
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    logger = logging.getLogger("huggingface_hub")
    level, shown = logger.level, not are_progress_bars_disabled()
    logger.setLevel(logging.ERROR)
    if shown:
        disable_progress_bars()
    try:
        yield
    finally:
        logger.setLevel(level)
        if shown:
            enable_progress_bars()
