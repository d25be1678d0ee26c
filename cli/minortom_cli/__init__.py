"""The commands ``minortom``, ``csmoe`` and ``csmoe-train``."""
