"""`csmoe inspect` and `csmoe plot`: what experts attend to; quality against cost and epochs.

Layer: the top of `csmoe_model`.
"""
