"""Maximum shares of pixels, which every option takes in percent."""

from minortom.errors import InputError


def check_percent(option: str, value: float, *, takes_100: bool) -> None:
    """Check a maximum share of pixels in percent.

    A value between 0 and 1 is refused: most likely it is a fraction, of which the percentage is a
    hundred times as large.

    Args:
        option: Name of the option, for the error message.
        value: The value.
        takes_100: Whether all pixels may count.

    Raises:
        InputError: If the value is out of range, or between 0 and 1.
    """
    if 0 < value < 1:
        raise InputError(
            f"expected {option} in percent, 0 or at least 1, found {value:g}; for a share of "
            f"{value:g} give {100 * value:g}"
        )
    if not 0 <= value <= 100 or (value == 100 and not takes_100):
        expected = "0 to 100 percent" if takes_100 else "0 to below 100 percent"
        raise InputError(f"expected {option} of {expected}, found {value:g}")
