"""Download of data sets from the Hugging Face hub, with its usual token and cache.

The package huggingface_hub does the work. ``HF_TOKEN``, ``HF_HOME``, ``HF_ENDPOINT`` and
``HF_HUB_OFFLINE`` have their usual meaning.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minortom.errors import ArchiveError, RemoteError
from minortom.remote.hub_settings import require_hub_settings

_ADDRESS = re.compile(r"hf://datasets/([^/@]+/[^/@]+?)/?(?:@(.+?))?/?", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class HubDataset:
    """Data set on the hub."""

    repository: str
    """Repository, ``OWNER/NAME``."""
    revision: str | None = None
    """Branch, tag or commit; the main branch when None."""

    @classmethod
    def parse(cls, text: str) -> "HubDataset":
        """Read ``hf://datasets/OWNER/NAME`` or ``hf://datasets/OWNER/NAME@REVISION``.

        Raises:
            ArchiveError: If the text has another form.
        """
        found = _ADDRESS.fullmatch(text)
        if not found:
            raise ArchiveError(
                "expected a data set of the hub, hf://datasets/OWNER/NAME or "
                f"hf://datasets/OWNER/NAME@REVISION, found {text}; give an address such as "
                "hf://datasets/Major-TOM/Core-S2L2A"
            )
        return cls(repository=found[1], revision=found[2])

    def __str__(self) -> str:
        revision = "" if self.revision is None else f"@{self.revision}"
        return f"hf://datasets/{self.repository}{revision}"

    def fetch(self, name: str) -> tuple[Path, str]:
        """Download a file into the hub's cache; return its path and its commit.

        Raises:
            ArchiveError: If the data set, revision or file does not exist or is not accessible.
            RemoteError: If the hub does not answer and the file is not in the cache.
        """
        from huggingface_hub import errors, hf_hub_download
        from huggingface_hub.utils.tqdm import tqdm

        require_hub_settings()

        class NoProgressBar(tqdm):
            def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401  (of tqdm)
                super().__init__(*arguments, **options | {"disable": True})  # type: ignore[no-untyped-call]

        try:
            with _quiet():
                found = hf_hub_download(
                    self.repository, name, repo_type="dataset", revision=self.revision,
                    tqdm_class=NoProgressBar,
                )  # fmt: skip
        except errors.HFValidationError:
            raise ArchiveError(
                f"{self} is not a valid name on the hub; check the address"
            ) from None
        # HTTPError is the class of the HTTP client, which differs between releases.
        except (errors.LocalEntryNotFoundError, errors.HTTPError) as error:  # type: ignore[attr-defined]
            raise self._explained(error, name) from None
        path = Path(found)
        return path, path.relative_to(_snapshots_above(path)).parts[0]

    def url(self, name: str, revision: str) -> str:
        """Return the HTTP address of a file or folder at a revision."""
        from huggingface_hub import hf_hub_url

        return hf_hub_url(self.repository, name, repo_type="dataset", revision=revision)

    def _explained(self, error: Exception, name: str) -> ArchiveError | RemoteError:
        """Return an error of one line for an error of the hub's library."""
        from huggingface_hub import errors

        # If the file is not in the cache either, the cause holds the answer of the server.
        response = getattr(error, "response", getattr(error.__cause__, "response", None))
        status = getattr(response, "status_code", None)
        if isinstance(error, errors.GatedRepoError):
            return ArchiveError(
                f"{self} is gated; accept its terms at "
                f"{self.url('', 'main').split('/resolve')[0]} and set HF_TOKEN"
            )
        if isinstance(error, errors.RepositoryNotFoundError):
            return ArchiveError(
                f"{self} does not exist or is private; check the name, or set HF_TOKEN"
            )
        if isinstance(error, errors.RevisionNotFoundError):
            return ArchiveError(f"{self}: the revision {self.revision} does not exist; check it")
        if isinstance(error, errors.RemoteEntryNotFoundError):
            return ArchiveError(
                f"{self} must have a file {name}, as Major TOM's archives do; check the address"
            )
        if isinstance(error.__cause__, errors.OfflineModeIsEnabled):
            return RemoteError(
                f"{self}: {name} is not in the cache, and HF_HUB_OFFLINE is set; unset it"
            )
        if status is not None:
            return RemoteError(
                f"{self}: the hub answers with HTTP {status}; wait some minutes, then run the same "
                "command again"
            )
        return RemoteError(
            f"{self}: the hub does not answer, and {name} is not in the cache; check the network "
            "and HF_ENDPOINT"
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Turn off the log of the hub's library about its retries; errors are raised."""
    from huggingface_hub.utils import logging as verbosity

    before = verbosity.get_verbosity()
    verbosity.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        verbosity.set_verbosity(before)


def hub_headers() -> dict[str, str]:
    """Return the headers of a request to the hub, with the user's token if one is set."""
    from huggingface_hub.utils._headers import build_hf_headers

    require_hub_settings()
    return build_hf_headers()


def _snapshots_above(path: Path) -> Path:
    return next(folder for folder in path.parents if folder.name == "snapshots")
