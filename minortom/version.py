"""Version of minortom and csmoe_model, apart from the public names, which import every room."""

__version__ = "0.1.0"
