"""What a user can cause and can mend.

Each message is one line: what was wanted, what was found, what to do. The command line
prints it after ``error: `` and exits with 1; anything else is a bug and gets a traceback.
"""


class MinorTomError(Exception):
    """A mistake in the input or the environment that the user can mend."""


class InputError(MinorTomError):
    """A file, a value or a name that is not what the command needs."""


class UsageError(InputError):
    """Options that are missing or do not go together; the command line exits with 2."""


class OutputExistsError(MinorTomError):
    """An output that is there already and was made from something else."""


class ArchiveError(MinorTomError):
    """An archive that is not laid out as Major TOM, or lacks what was asked for."""


class ShardError(MinorTomError):
    """A shards folder that is empty, damaged or of another schema version."""


class RemoteError(MinorTomError):
    """A file on the network that cannot be had; names its URL without query and credentials."""


class RemoteMissingError(RemoteError):
    """The same where the server says that there is no such file."""
