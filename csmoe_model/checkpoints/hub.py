"""Location of a checkpoint: a local folder or a repository of the Hugging Face hub.

`huggingface_hub` downloads the files, with the token, the cache and the `HF_*` variables of the
user.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path

from csmoe_model.checkpoints.weight_files import WEIGHTS, fetch_weights, has_weights
from minortom.api.arguments import path_of
from minortom.errors import InputError
from minortom.remote.hub_upload import is_repository, readable_hub_errors

CONFIG = "config.json"
CARD = "README.md"

EXPECTED = (
    "give the folder of a run of `csmoe train`, the model folder in it, or a repository of the "
    "Hugging Face hub as user/name"
)
"""Advice at the end of the errors about a checkpoint."""


def find_checkpoint(
    checkpoint: str | Path,
    *,
    revision: str | None = None,
    token: str | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    also: Sequence[str] = (),
    listed: Callable[[Path], Iterable[str]] = lambda _: (),
) -> Path:
    """Return the folder with the weights; download it if it is a repository.

    Args:
        checkpoint: Folder of a run, the `model` folder in it, or a repository `user/name`. A path
            that exists, or whose parent folder exists, is a folder.
        revision: Branch, tag or commit of the repository.
        token: Token for a private repository; that of `hf auth login` when None.
        cache_dir: Folder of downloaded files; that of `huggingface_hub` when None.
        local_files_only: Whether to use the cache only, without the network.
        also: Names of further files to download, where the repository has them.
        listed: Yields the paths of more such files in the repository. It may read those that are
            downloaded already, in the folder that it is called with.

    Raises:
        InputError: If the checkpoint does not exist, or the hub refuses the download.
    """
    path = path_of("checkpoint", checkpoint)
    # A mistyped `runs/frist` beside other runs is not a repository.
    here = path.exists() or path.parent.is_dir()
    if here or isinstance(checkpoint, Path) or not is_repository(checkpoint):
        return _local_folder(path)
    from huggingface_hub import errors, hf_hub_download

    def fetch(name: str, revision: str | None) -> Path:
        return Path(
            hf_hub_download(
                checkpoint, name, revision=revision, token=token, cache_dir=cache_dir,
                local_files_only=local_files_only, endpoint=os.environ.get("HF_ENDPOINT"),
            )
        )  # fmt: skip

    with (
        readable_hub_errors(checkpoint, revision, token=token),
        _checkpoint_errors(checkpoint),
    ):
        config = fetch(CONFIG, revision)
        # The same commit, even if the repository changes in between.
        commit = config.parent.name
        fetch_weights(lambda name: fetch(name, commit), missing=errors.EntryNotFoundError)
        for name in chain(also, listed(config.parent)):
            with suppress(errors.EntryNotFoundError):
                fetch(name, commit)
    return config.parent


@contextmanager
def _checkpoint_errors(checkpoint: str) -> Iterator[None]:
    """Convert errors of `huggingface_hub` about files to errors about a checkpoint."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError:
        raise
    except errors.RepositoryNotFoundError:
        raise InputError(
            f"{checkpoint} is neither a local folder nor a repository of the hub that you may "
            "read; check the name, and run `hf auth login` if the repository is private"
        ) from None
    except errors.RemoteEntryNotFoundError:
        raise InputError(
            f"{checkpoint} must hold {CONFIG} and {WEIGHTS}; other files of weights are never "
            f"unpickled; {EXPECTED}"
        ) from None
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled):
        raise InputError(
            f"{checkpoint} is not in the cache of the hub, and the hub is disabled or does not "
            "answer; check the network and HF_HUB_OFFLINE, or give a local folder"
        ) from None


def _local_folder(checkpoint: Path) -> Path:
    if checkpoint.is_file():
        raise InputError(
            f"a checkpoint must be a folder, found the file {checkpoint}; single files are never "
            f"unpickled; {EXPECTED}"
        )
    if not checkpoint.is_dir():
        raise InputError(f"{checkpoint} does not exist; {EXPECTED}")
    for folder in (checkpoint, checkpoint / "model"):
        if has_weights(folder):
            return folder
    if (checkpoint / "config.yaml").is_file():
        raise InputError(
            f"the run in {checkpoint} is not finished and has no weights yet; resume it with "
            "`csmoe train … --resume`"
        )
    raise InputError(f"{checkpoint} does not hold {WEIGHTS}; {EXPECTED}")
