"""Files on disk: atomic writes, provenance, GeoParquet and plain tables.

Layer: beside `engine`, above the modules of the root.
"""
