"""Errors that a user can cause and correct.

Each message is one line: what was expected, what was found, what to do. The command line prints
it after ``error: `` and exits with 1. Any other exception is a bug and ends with a traceback.
"""

from minortom.public_urls import public_text


class MinorTomError(Exception):
    """Mistake in the input or the environment that the user can correct."""

    def __str__(self) -> str:
        """Return the message in one line, without the secrets of URLs that it quotes."""
        return public_text(" ".join(super().__str__().splitlines()))


class InputError(MinorTomError):
    """File, value or name that the command cannot use."""


class UsageError(InputError):
    """Missing or contradictory options; the command line exits with 2."""


class OutputExistsError(MinorTomError):
    """Output that exists with another provenance."""


class ArchiveError(MinorTomError):
    """Archive without Major TOM's layout, or without the requested product."""


class ShardError(MinorTomError):
    """Folder of shards that is empty, damaged or of another schema version."""


class RemoteError(MinorTomError):
    """Failed download; the message has the URL without query and credentials."""


class RemoteMissingError(RemoteError):
    """Failed download of a file that does not exist at the server."""
