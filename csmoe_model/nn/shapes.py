"""Shapes in signatures, by jaxtyping; without it, as on a bare PyTorch image, they say nothing.

The tests check them; nothing else reads them.
"""

from typing import TYPE_CHECKING, Any

__all__ = ["Float", "Int"]

if TYPE_CHECKING:
    from jaxtyping import Float, Int
else:
    try:
        from jaxtyping import Float, Int
    except ImportError:

        class _Unchecked:
            """Takes the place of a shape."""

            def __class_getitem__(cls, shape: Any) -> Any:  # noqa: ANN401  # as jaxtyping's
                """Give the type of the array alone."""
                return shape[0]

        Float = Int = _Unchecked
