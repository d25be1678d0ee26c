"""Curate Major TOM satellite tiles by climate, land cover and place."""

__version__ = "0.1.0"
