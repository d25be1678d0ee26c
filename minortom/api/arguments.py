"""Checks of arguments of the public functions: a wrong type is an error of one line."""

import math
import operator
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from minortom.errors import InputError


def whole_number(name: str, value: object, *, minimum: int) -> int:
    """Return an argument as an ``int``.

    Args:
        name: Name of the argument, for the error message.
        value: The argument; NumPy's integers are whole numbers too.
        minimum: Smallest allowed value.

    Raises:
        InputError: If it is not a whole number, or below the minimum.
    """
    number: Any = value
    try:
        found = None if isinstance(value, bool) else operator.index(number)
    except TypeError:
        found = None
    if found is None or found < minimum:
        raise InputError(
            f"{name} must be a whole number of at least {minimum}, found {shown(value)}"
        )
    return found


def keep_whole(options: object, minimums: Mapping[str, int]) -> None:
    """Store fields of a frozen dataclass as ``int``, for example in its ``__post_init__``.

    Args:
        options: The dataclass.
        minimums: Smallest allowed value of each field, by name; None stays None.

    Raises:
        InputError: If a value is not a whole number, or below the minimum.
    """
    for name, minimum in minimums.items():
        value = getattr(options, name)
        if value is not None:
            object.__setattr__(options, name, whole_number(name, value, minimum=minimum))


def number(name: str, value: object) -> float:
    """Return an argument as a ``float``; its range is checked where it is used.

    Args:
        name: Name of the argument, for the error message.
        value: The argument; NumPy's scalars are numbers too.

    Raises:
        InputError: If it is not a number.
    """
    if not isinstance(value, bool | str | bytes):
        found: Any = value
        try:
            return float(found)
        except (TypeError, ValueError):
            pass
    raise InputError(f"{name} must be a number, found {shown(value)}")


def finite_number(name: str, value: object) -> float:
    """Return an argument as a ``float`` that is neither infinite nor NaN.

    Raises:
        InputError: If it is another value.
    """
    found = number(name, value)
    require(math.isfinite(found), name, "a finite number", found)
    return found


def one_of(name: str, value: object, choices: Sequence[str]) -> str:
    """Return an argument that must be one of some words.

    Raises:
        InputError: If it is none of them.
    """
    if isinstance(value, str) and value in choices:
        return value
    raise InputError(f"{name} must be one of {', '.join(choices)}, found {shown(value)}")


def flag(name: str, value: object) -> bool:
    """Return an argument that must be true or false: the text ``"no"`` would count as true.

    Raises:
        InputError: If it is neither a ``bool`` nor a NumPy one.
    """
    if isinstance(value, bool) or type(value).__name__ in ("bool", "bool_"):  # NumPy's
        return bool(value)
    raise InputError(f"{name} must be True or False, found {shown(value)}")


def path_of(name: str, value: object) -> Path:
    """Return an argument as a ``Path``.

    Raises:
        InputError: If it is neither a ``str`` nor a ``Path``, has a null character, or names a
            pipe or a device.
    """
    if isinstance(value, str | Path):
        if "\0" in str(value):
            raise InputError(f"{name} must be a path without null characters, found {value!r}")
        return not_special(name, Path(value))
    raise InputError(f"{name} must be a path (str or Path), found {shown(value)}")


def not_special(name: str, path: Path) -> Path:
    """Return a path that does not name a pipe, a device or a socket.

    Inputs are read twice, for their content and for their hash, which a pipe does not allow; and
    the open of a FIFO without a writer never returns. An output would replace a device.

    Args:
        name: Name of the argument, for the error message.
        path: A path; it may name nothing.

    Raises:
        InputError: If it names one of these.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # reported where the path is used
        return path
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return path
    kind = "pipe" if stat.S_ISFIFO(mode) else "socket" if stat.S_ISSOCK(mode) else "device"
    raise InputError(
        f"{name} must be a regular file or a folder, found the {kind} {path}; write the output of "
        "a command to a file first, and give the file"
    )


def several(name: str, value: object, *, expected: str) -> list[Any]:
    """Return an argument that may be one value or a sequence of them, as a list.

    Args:
        name: Name of the argument, for the error message.
        value: A ``str`` or ``Path``, a sequence of these, or None for none. The values in a
            sequence are not checked.
        expected: What the argument must be, for the error message.

    Raises:
        InputError: If it is something else.
    """
    if value is None:
        return []
    if isinstance(value, str | Path):
        return [value]
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return list(value)
    raise InputError(f"{name} must be {expected}, or a sequence of these, found {shown(value)}")


def name_and_value(option: str, text: object, *, form: str) -> tuple[str, str]:
    """Split text such as ``NAME=VALUE`` at its first equals sign.

    Args:
        option: Name of the option, for the error message.
        text: The text.
        form: Form of the text, for the error message.

    Raises:
        InputError: If it is no text, or a part is empty.
    """
    if isinstance(text, str):
        name, _, value = text.partition("=")
        if name.strip() and value:
            return name.strip(), value
    raise InputError(f"expected {option} {form}, found {shown(text)}")


def shown(value: object) -> str:
    """Return a value for an error message: short values in full, others by their type."""
    if value is None or isinstance(value, str | bytes | int | float):
        return repr(value)
    return type(value).__name__


def check_keys(values: Mapping[str, object], known: Sequence[str], *, kind: str) -> None:
    """Check that every key is the name of an option.

    Args:
        values: Options by name.
        known: Names of the options.
        kind: Kind of the options, for the error message.

    Raises:
        InputError: If a key is unknown; the message lists the known ones.
    """
    unknown = [str(key) for key in values if key not in known]
    if unknown:
        raise InputError(
            f"unknown {kind} option {', '.join(unknown)}; known options are {', '.join(known)}"
        )


def require(holds: bool, name: str, wanted: str, found: object) -> None:
    """Check the range of a field.

    Raises:
        InputError: If `holds` is false.
    """
    if not holds:
        raise InputError(f"{name} must be {wanted}, found {found}")
