"""Where a checkpoint lies: a folder here, or a repository of the Hugging Face hub.

Files come through `huggingface_hub`, with its users' token, cache and `HF_*` variables.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minortom.errors import InputError
from minortom.remote.hub_upload import is_repository, readable_hub_errors

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
CARD = "README.md"

WANTED = (
    "wanted a run's folder, or its model folder, as `csmoe train` makes them, or a repository of "
    "the hub, as user/name"
)


def find_checkpoint(
    checkpoint: str | Path,
    *,
    revision: str | None = None,
    token: str | None = None,
    cache_dir: str | Path | None = None,
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
    if here or isinstance(checkpoint, Path) or not is_repository(checkpoint):
        return _local_folder(path)
    from huggingface_hub import hf_hub_download

    def fetch(name: str, revision: str | None) -> Path:
        return Path(
            hf_hub_download(
                checkpoint, name, revision=revision, token=token, cache_dir=cache_dir,
                local_files_only=local_files_only, endpoint=os.environ.get("HF_ENDPOINT"),
            )
        )  # fmt: skip

    with readable_hub_errors(checkpoint, revision), _told_of_a_checkpoint(checkpoint):
        config = fetch(CONFIG, revision)
        # Of the same commit, should the repository change between the two.
        fetch(WEIGHTS, config.parent.name)
    return config.parent


@contextmanager
def _told_of_a_checkpoint(checkpoint: str) -> Iterator[None]:
    """Say what else a name may have meant, and what a checkpoint is."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError:
        raise
    except errors.RepositoryNotFoundError:
        raise InputError(
            f"{checkpoint} is neither a folder here nor a repository of the hub that you may see; "
            "check the name, or `hf auth login` if it is private"
        ) from None
    except errors.RemoteEntryNotFoundError:
        raise InputError(
            f"{checkpoint} holds no {CONFIG} with {WEIGHTS}, and other files of weights are never "
            f"unpickled; {WANTED}"
        ) from None
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled):
        raise InputError(
            f"{checkpoint} is not in the cache of the hub's files, and the hub was not asked or "
            "does not answer; check the network and HF_HUB_OFFLINE, or give a folder"
        ) from None


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
