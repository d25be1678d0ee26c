"""Settings of Lightning that all training loops share: warnings and signals."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import lightning


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silence Lightning's hints and its warnings about its own code."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # torch 2.13 deprecates functions that Lightning 2.6 calls.
            for what in ("LeafSpec", "broadcast_buffers"):
                warnings.filterwarnings("ignore", message=f".*{what}", category=FutureWarning)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def leave_signals(trainer: lightning.Trainer) -> None:
    """Prevent Lightning from handling signals; call it when the fit starts."""
    # On SIGTERM, Lightning 2.6 broadcasts from inside the signal handler. A process that
    # got the signal alone would wait there forever.
    connector = trainer._signal_connector  # noqa: SLF001
    connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
