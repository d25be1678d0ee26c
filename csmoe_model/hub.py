"""Where a checkpoint lies: a folder here, or a repository of the Hugging Face hub.

Files come through `huggingface_hub`, with its users' token, cache and `HF_*` variables.
"""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minortom.errors import InputError

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
CARD = "README.md"

WANTED = (
    "wanted a run's folder, or its model folder, as `csmoe train` makes them, or a repository of "
    "the hub, as user/name"
)

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def find_checkpoint(
    checkpoint: str | Path,
    *,
    revision: str | None = None,
    token: str | None = None,
    cache_dir: Path | None = None,
    local_files_only: bool = False,
) -> Path:
    """Give the folder that holds the weights; fetch it where it is a repository.

    Args:
        checkpoint: A run's folder, the `model` folder inside, or a repository, `user/name`.
            What exists here, or lies in a folder that does, is taken for a folder.
        revision: Branch, tag or commit of the repository.
        token: For a private repository; that of `hf auth login` when None.
        cache_dir: Where fetched files are kept; that of `huggingface_hub` when None.
        local_files_only: Take what the cache holds, and ask nobody.

    Raises:
        InputError: If there is no checkpoint, or the hub does not give it.
    """
    path = Path(checkpoint)
    # `runs/frist` where there are runs is a mistake in typing: the network cannot mend it.
    here = path.exists() or path.parent.is_dir()
    if here or isinstance(checkpoint, Path) or not _REPOSITORY.fullmatch(checkpoint):
        return _local_folder(path)
    from huggingface_hub import hf_hub_download

    def fetch(name: str, revision: str | None) -> Path:
        return Path(
            hf_hub_download(
                checkpoint, name, revision=revision, token=token, cache_dir=cache_dir,
                local_files_only=local_files_only, endpoint=os.environ.get("HF_ENDPOINT"),
            )
        )  # fmt: skip

    with _told_in_one_line(checkpoint, revision):
        config = fetch(CONFIG, revision)
        # Of the same commit, should the repository change between the two.
        fetch(WEIGHTS, config.parent.name)
    return config.parent


def upload_folder(
    folder: Path,
    repository: str,
    *,
    private: bool | None = None,
    commit_message: str,
    revision: str | None = None,
    token: str | None = None,
) -> str:
    """Put a folder's files into a repository of models, which is made where there is none.

    Args:
        folder: With the files.
        repository: As `user/name`.
        private: Whether a new repository is private; the owner's usual when None.
        commit_message: Of the commit.
        revision: Branch to commit to; the main one when None.
        token: That may write; that of `hf auth login` when None.

    Returns:
        The address of the commit.

    Raises:
        InputError: If the name is none, or the hub refuses.
    """
    from huggingface_hub import HfApi

    if not _REPOSITORY.fullmatch(repository):
        raise InputError(f"{repository!r} is no repository of the hub; wanted user/name")
    hub = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=token)
    with _told_in_one_line(repository, revision):
        hub.create_repo(repository, private=private, exist_ok=True)
        done = hub.upload_folder(
            repo_id=repository, folder_path=folder, commit_message=commit_message, revision=revision
        )
    return str(done.commit_url)


@contextmanager
def _told_in_one_line(repository: str, revision: str | None) -> Iterator[None]:
    """Turn what the hub answers into what a user can do about it."""
    from huggingface_hub import errors

    # httpx's or httpx2's, whichever the hub's library stands on.
    of_network = getattr(errors, "HTTPError", OSError)
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.ERROR)  # of each of its attempts it would tell
    try:
        yield
    except errors.GatedRepoError:
        raise InputError(
            f"{repository} is gated; ask for access on its page, then `hf auth login`"
        ) from None
    except errors.RepositoryNotFoundError:
        raise InputError(
            f"{repository} is neither a folder here nor a repository of the hub that you may see; "
            "check the name, or `hf auth login` if it is private"
        ) from None
    except errors.RevisionNotFoundError:
        raise InputError(f"{repository} has no revision {revision}; check its page") from None
    except errors.RemoteEntryNotFoundError:
        raise InputError(
            f"{repository} holds no {CONFIG} with {WEIGHTS}, and other files of weights are never "
            f"unpickled; {WANTED}"
        ) from None
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled):
        raise InputError(
            f"{repository} is not in the cache of the hub's files, and the hub was not asked or "
            "does not answer; check the network and HF_HUB_OFFLINE, or give a folder"
        ) from None
    except errors.HFValidationError as error:
        raise InputError(f"{repository} is no repository of the hub: {error}") from None
    except (errors.HfHubHTTPError, of_network) as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        found = f"HTTP {status}" if status else type(error).__name__
        advice = (
            "`hf auth login` with a token that may" if status in (401, 403) else "try again later"
        )
        raise InputError(
            f"the request to the hub about {repository} failed ({found}); {advice}"
        ) from None
    finally:
        logger.setLevel(level)


def _local_folder(checkpoint: Path) -> Path:
    if checkpoint.is_file():
        raise InputError(
            f"{checkpoint} is a file, and files of weights are never unpickled; {WANTED}"
        )
    if not checkpoint.is_dir():
        raise InputError(f"{checkpoint} does not exist; {WANTED}")
    for folder in (checkpoint, checkpoint / "model"):
        if (folder / WEIGHTS).is_file():
            return folder
    if (checkpoint / "config.yaml").is_file():
        raise InputError(
            f"the run in {checkpoint} is not finished: it has no weights yet; go on with "
            "`csmoe train … --resume`"
        )
    raise InputError(f"{checkpoint} holds no {WEIGHTS}; {WANTED}")
