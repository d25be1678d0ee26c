"""Names of the columns that a user adds to the annotated file."""

import re
from collections import Counter
from collections.abc import Sequence

from minortom.errors import InputError

_TAKEN = re.compile(
    r"grid_cell|lat|lon|climate|landcover|stratum|bbox|geometry|role|kept|reserve_rank|split|dt_days"
    r"|.*_code|fraction_.*|s[12]_.*"
)
"""Names that a further column cannot have, because another column has or may have them."""


def is_free_name(name: str) -> bool:
    """Return whether a further column can have this name."""
    return name.isidentifier() and not _TAKEN.fullmatch(name)


def require_free_name(name: str, *, option: str) -> None:
    """Check that a further column can have a name.

    Args:
        name: Name of the column.
        option: Option that names the column, for the error message.

    Raises:
        InputError: If it is not an identifier, or another column has or may have it.
    """
    if not is_free_name(name):
        raise InputError(
            f"expected a {option} name of letters, digits and underscores that is not "
            f"the name of another column, found {name!r}; give another name"
        )


def require_distinct(names: Sequence[str]) -> None:
    """Check that further columns have distinct names.

    Raises:
        InputError: If two columns have one name.
    """
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(
            f"expected further columns with distinct names, found {', '.join(twice)} more than "
            "once in --descriptor, --table, --variable and --bins; leave one of them out"
        )


def without_namespace(name: str) -> str:
    """Return the name of a column without a namespace such as ``geoenrich:``."""
    return name.rpartition(":")[2].strip()
