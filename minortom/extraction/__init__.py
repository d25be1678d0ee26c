"""`minortom export`: a selection and an archive to shards.

Layer: the top of `minortom`.
"""
