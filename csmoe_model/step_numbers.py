"""What is logged of a step, on its way from the device to the CPU."""

from collections.abc import Sequence

import torch
from torch import Tensor

from csmoe_model.order import Samples


class StepNumbers:
    """The numbers of one step, computed on the device; reading them waits for it, making not."""

    def __init__(
        self,
        *,
        step: int,
        names: Sequence[str],
        everywhere: Tensor,
        here: Tensor,
        samples: Sequence[Samples],
    ) -> None:
        """Let the numbers set off.

        Args:
            step: That they are of, counted from 1.
            names: A name for each number.
            everywhere: Means over all processes, a vector.
            here: The numbers of this process.
            samples: What this process was trained on, by part of the batch.
        """
        self.step, self.names, self.here, self.samples = step, tuple(names), here, samples
        self._arrived: torch.cuda.Event | None = None
        self._found = everywhere
        if everywhere.is_cuda:
            self._found = torch.empty(everywhere.shape, dtype=everywhere.dtype, pin_memory=True)
            self._found.copy_(everywhere, non_blocking=True)
            self._arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._arrived.record()

    def read(self) -> dict[str, float]:
        """Wait for the means over all processes, and give them by name."""
        if self._arrived is not None:
            self._arrived.synchronize()
        return dict(zip(self.names, self._found.tolist(), strict=True))
