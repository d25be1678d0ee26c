"""Analysis of trained models: `csmoe inspect` (use of the experts) and `csmoe plot` (pictures).

Layer: the top of `csmoe_model`.
"""
