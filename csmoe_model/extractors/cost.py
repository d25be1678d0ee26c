"""Cost of the vectors of a feature extractor."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True, kw_only=True)
class ExtractorCost:
    """Cost of the vector of one image, or of one pair of images."""

    parameters: int
    """Weights and fitted filters, without fixed positions and normalisation statistics."""
    multiply_adds: int
    """Multiply-adds of all matrix products and convolutions."""

    def __add__(self, other: "ExtractorCost") -> "ExtractorCost":
        return ExtractorCost(
            parameters=self.parameters + other.parameters,
            multiply_adds=self.multiply_adds + other.multiply_adds,
        )

    def as_dict(self) -> dict[str, int]:
        """Return the entries of a row in a result file."""
        return asdict(self)


NO_COST = ExtractorCost(parameters=0, multiply_adds=0)
