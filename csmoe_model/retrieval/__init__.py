"""`csmoe retrieve` and `csmoe search`: nearest vectors and their scores.

Layer: above `probing`.
"""
