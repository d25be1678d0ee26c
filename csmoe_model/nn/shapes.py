"""Shapes in signatures, by jaxtyping; without that package they are plain types.

Only the tests check the shapes. The package may be missing, as on a plain PyTorch image.
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
            """Replacement for a shape of jaxtyping."""

            def __class_getitem__(cls, shape: Any) -> Any:  # noqa: ANN401  # as jaxtyping's
                """Return the type of the array."""
                return shape[0]

        Float = Int = _Unchecked
