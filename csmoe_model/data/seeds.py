"""Seeds of the random numbers of PyTorch and of the masks."""

from minortom.api.arguments import require, whole_number

_LIMIT = 2**63


def seed_of(value: object) -> int:
    """Return the argument `seed` as an ``int``.

    PyTorch and the masks take seeds of 64 bits. The limit leaves room for the seeds that are
    counted up from this one.

    Raises:
        InputError: If it is not a whole number from 0 to below 2**63.
    """
    seed = whole_number("seed", value, minimum=0)
    require(seed < _LIMIT, "seed", "below 2**63", seed)
    return seed
