"""Data sets of the Hugging Face hub, with the token and the cache that its users know.

``HF_TOKEN``, ``HF_HOME``, ``HF_ENDPOINT`` and ``HF_HUB_OFFLINE`` mean here what they mean to
huggingface_hub, which does the work.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minortom.errors import ArchiveError, RemoteError

_ADDRESS = re.compile(r"hf://datasets/([^/@]+/[^/@]+?)/?(?:@(.+?))?/?", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """A data set of the hub."""

    repository: str
    """Owner and name, with a slash between."""
    revision: str | None = None
    """Branch, tag or commit; the main branch when None."""

    @classmethod
    def parse(cls, text: str) -> "DataSet":
        """Read ``hf://datasets/OWNER/NAME`` or ``hf://datasets/OWNER/NAME@REVISION``.

        Raises:
            ArchiveError: If it is neither.
        """
        found = _ADDRESS.fullmatch(text)
        if not found:
            raise ArchiveError(
                f"{text} is no data set of the hub; wanted hf://datasets/OWNER/NAME, with "
                "@REVISION or without, such as hf://datasets/Major-TOM/Core-S2L2A"
            )
        return cls(repository=found[1], revision=found[2])

    def __str__(self) -> str:
        revision = "" if self.revision is None else f"@{self.revision}"
        return f"hf://datasets/{self.repository}{revision}"

    def fetch(self, name: str) -> tuple[Path, str]:
        """Have a file in the hub's cache; gives where it is, and the commit that it is from.

        Raises:
            ArchiveError: If there is no such data set, revision or file, or no access to it.
            RemoteError: If the hub is not reached, and the file is not in the cache.
        """
        from huggingface_hub import errors, hf_hub_download
        from huggingface_hub.utils.tqdm import tqdm

        class Silent(tqdm):
            def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401  (of tqdm)
                super().__init__(*arguments, **options | {"disable": True})  # type: ignore[no-untyped-call]

        try:
            with _quiet():
                found = hf_hub_download(
                    self.repository, name, repo_type="dataset", revision=self.revision,
                    tqdm_class=Silent,
                )  # fmt: skip
        except errors.HFValidationError:
            raise ArchiveError(f"{self}: the hub has no such names; check the address") from None
        # HTTPError is that of the HTTP client, which differs between releases.
        except (errors.LocalEntryNotFoundError, errors.HTTPError) as error:  # type: ignore[attr-defined]
            raise self._about(error, name) from None
        path = Path(found)
        return path, path.relative_to(_snapshots_above(path)).parts[0]

    def url(self, name: str, revision: str) -> str:
        """Give the address over HTTP of a file or folder at a revision."""
        from huggingface_hub import hf_hub_url

        return hf_hub_url(self.repository, name, repo_type="dataset", revision=revision)

    def _about(self, error: Exception, name: str) -> ArchiveError | RemoteError:
        """Say in one line what the hub's library raised."""
        from huggingface_hub import errors

        # Of what was not found in the cache, either, the cause tells why it was looked for there.
        response = getattr(error, "response", getattr(error.__cause__, "response", None))
        status = getattr(response, "status_code", None)
        if isinstance(error, errors.GatedRepoError):
            return ArchiveError(
                f"{self} is gated: accept its terms at {self.url('', 'main').split('/resolve')[0]} "
                "and set HF_TOKEN"
            )
        if isinstance(error, errors.RepositoryNotFoundError):
            return ArchiveError(
                f"{self}: there is no such data set, or it is private; check the name, or set "
                "HF_TOKEN"
            )
        if isinstance(error, errors.RevisionNotFoundError):
            return ArchiveError(f"{self}: there is no revision {self.revision}; check it")
        if isinstance(error, errors.RemoteEntryNotFoundError):
            return ArchiveError(f"{self} has no {name}; wanted an archive in Major TOM's layout")
        if isinstance(error.__cause__, errors.OfflineModeIsEnabled):
            return RemoteError(
                f"{self}: {name} is not in the cache, and HF_HUB_OFFLINE is set; unset it once"
            )
        if status is not None:
            return RemoteError(
                f"{self}: the hub answers with HTTP {status}; wait some minutes, then run the "
                "same command again"
            )
        return RemoteError(
            f"{self}: the hub is not reached, and {name} is not in the cache; check the network "
            "and HF_ENDPOINT"
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the hub's library from writing about its retries; what comes of them is raised."""
    from huggingface_hub.utils import logging as verbosity

    before = verbosity.get_verbosity()
    verbosity.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        verbosity.set_verbosity(before)


def headers_of_hub() -> dict[str, str]:
    """Give the headers that tell the hub who asks: this process's token, if it has one."""
    from huggingface_hub.utils._headers import build_hf_headers

    return build_hf_headers()


def _snapshots_above(path: Path) -> Path:
    return next(folder for folder in path.parents if folder.name == "snapshots")
