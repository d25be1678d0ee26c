"""Upload of models and data sets to a repository on the Hugging Face hub.

`huggingface_hub` does the work, with the user's token and `HF_*` variables. All files enter the
repository in one commit, so that a reader never finds a mixture of old and new files. Large files
are uploaded one by one before the commit; a file that the hub already has is not sent again.
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
from minortom.remote.hub_settings import require_hub_settings

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")

_STATUS_IN_WORDS = re.compile(r"status (?:client|server) error \((\d{3})\b")
_ADDRESS = re.compile(r"https?://\S+")
"""A URL, which may contain a signature."""
_MAX_CHARACTERS = 300


def is_repository(name: str) -> bool:
    """Return whether a name has the form of a repository name, `user/name`."""
    return bool(_REPOSITORY.fullmatch(name))


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """Hashes of a file in a repository."""

    sha256: str | None
    """SHA-256 of a large file; None for a small file."""
    git_sha1: str | None
    """Git's hash of a small file, or of the pointer to a large file."""


@dataclass(frozen=True, kw_only=True)
class RemoteState:
    """Content of a repository at a commit."""

    commit: str
    files: Mapping[str, RemoteFile]
    """Files by path."""


@dataclass(frozen=True, kw_only=True)
class HubRepository:
    """Repository on the hub to upload to.

    Raises:
        InputError: If the name does not have the form `user/name`.
    """

    name: str
    """Name, `user/name`."""
    kind: Literal["model", "dataset"]
    revision: str | None = None
    """Branch to commit to; the main branch when None."""
    token: str | None = field(default=None, repr=False)
    """Access token with write permission; the token of `hf auth login` when None."""

    def __post_init__(self) -> None:
        if not is_repository(self.name):
            raise InputError(f"the repository must have the form user/name, found {self.name!r}")

    def check_login(self) -> None:
        """Check that an access token is set.

        Raises:
            InputError: If no token is set.
        """
        from huggingface_hub import get_token

        if not (self.token or get_token()):
            raise InputError(
                f"an upload to {self.name} needs an access token, but none is set; run "
                "`hf auth login` with a token that may write, or set HF_TOKEN"
            )

    def make(self, *, private: bool | None = None) -> None:
        """Create the repository if it does not exist.

        Args:
            private: Whether a new repository is private; the owner's default when None.

        Raises:
            InputError: If the hub refuses or does not answer.
        """
        with readable_hub_errors(self.name, self.revision, token=self.token):
            self._hub.create_repo(self.name, repo_type=self.kind, private=private, exist_ok=True)

    def state(self) -> RemoteState:
        """Return the content of the repository.

        Raises:
            InputError: If the repository or the branch does not exist, or the hub does not answer.
        """
        with readable_hub_errors(self.name, self.revision, token=self.token):
            hub = self._hub
            request = hub.dataset_info if self.kind == "dataset" else hub.model_info
            info = request(self.name, revision=self.revision, files_metadata=True)
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
        """Add files to the repository and delete others, in one commit.

        After a cut connection the same call resumes with the file that was being uploaded.

        Args:
            files: Local files by their path in the repository.
            message: Commit message.
            delete: Paths in the repository to delete.
            hashes: Expected SHA-256 of some of the files, by their path in the repository.
            onto: Parent commit that the branch must still be at; any commit when None.
            on_progress: Called with (files uploaded, files in all).

        Returns:
            The URL of the commit.

        Raises:
            InputError: If the hub refuses or does not answer, or a file has another hash.
        """
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        additions = [
            CommitOperationAdd(path_in_repo=name, path_or_fileobj=path)
            for name, path in files.items()
        ]
        deletions = [CommitOperationDelete(path_in_repo=name) for name in delete]
        with readable_hub_errors(self.name, self.revision, token=self.token):
            on_progress(0, len(additions))
            for done, addition in enumerate(additions, start=1):
                self._hub.preupload_lfs_files(
                    self.name, [addition], repo_type=self.kind, revision=self.revision
                )
                expected = (hashes or {}).get(addition.path_in_repo)
                if expected and addition.upload_info.sha256.hex() != expected:
                    raise InputError(
                        f"{files[addition.path_in_repo]} is damaged: its SHA-256 differs from the "
                        "recorded one; nothing was published; make or copy the file again"
                    )
                on_progress(done, len(additions))
            made = self._hub.create_commit(
                self.name, [*additions, *deletions], commit_message=message, repo_type=self.kind,
                revision=self.revision, parent_commit=onto,
            )  # fmt: skip
        return str(made.commit_url)

    def address_of(self, commit: str) -> str:
        """Return the URL of a commit."""
        folder = "datasets/" if self.kind == "dataset" else ""
        return f"{self._hub.endpoint}/{folder}{self.name}/commit/{commit}"

    @property
    def _hub(self) -> "HfApi":
        from huggingface_hub import HfApi

        return HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=self.token)


@contextmanager
def readable_hub_errors(
    repository: str, revision: str | None, *, token: str | None = None
) -> Iterator[None]:
    """Raise errors of the hub as one line with advice, and turn off the log of its library."""
    from huggingface_hub import errors

    require_hub_settings(token)
    # The class of httpx or httpx2; the hub's library uses one of them.
    network_error = getattr(errors, "HTTPError", OSError)
    try:
        with _quiet():
            yield
    except errors.GatedRepoError:
        raise InputError(
            f"{repository} is gated; request access on its page, then run `hf auth login`"
        ) from None
    except errors.RepositoryNotFoundError:
        raise InputError(
            f"the repository {repository} does not exist on the hub or is private; check the name, "
            "or run `hf auth login`"
        ) from None
    except errors.RevisionNotFoundError:
        raise InputError(f"{repository} has no revision {revision}; check its page") from None
    except errors.OfflineModeIsEnabled:
        raise InputError(
            f"{repository}: no request was sent to the hub, because HF_HUB_OFFLINE is set; unset it"
        ) from None
    except errors.HFValidationError as error:
        raise InputError(f"{repository} is not a valid repository name: {error}") from None
    except (errors.HfHubHTTPError, network_error) as error:
        raise _failed(repository, error) from None
    except ConnectionError as error:  # raised by the optional transport in Rust
        raise _failed(repository, error) from None
    except OSError as error:  # also of the transport; an error of a local file has a number
        if error.errno is not None:
            raise
        if isinstance(error, PermissionError):
            raise InputError(
                f"the token has no permission to write to {repository}; run `hf auth login` with a "
                "token that may write"
            ) from None
        raise _failed(repository, error) from None
    except (ValueError, RuntimeError) as error:  # a refusal, or an answer of another server
        # For a large file the cause has the reason.
        raise _failed(repository, error.__cause__ or error) from None


def _failed(repository: str, error: BaseException) -> InputError:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if match := _STATUS_IN_WORDS.search(str(error)):
        status = status or int(match[1])
    found = f"HTTP {status}" if status else type(error).__name__
    advice = "try again later"
    if status in (401, 403):
        advice = "run `hf auth login` with a token that may write"
    elif status in (409, 412):
        advice = "another process is changing it; look at its page, then try again"
    elif isinstance(error, ValueError | RuntimeError):
        found = _without_addresses(error)
        advice = "look at its page and at your account there, then try again"
    return InputError(f"the request to the hub about {repository} failed ({found}); {advice}")


def _without_addresses(error: BaseException) -> str:
    """Return the last line of an error message, without URLs; it has the hub's own words."""
    last = (str(error).strip() or type(error).__name__).splitlines()[-1]
    return _ADDRESS.sub("…", last)[:_MAX_CHARACTERS]


@contextmanager
def _quiet() -> Iterator[None]:
    """Turn off the log and the progress bars of the hub's library."""
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
