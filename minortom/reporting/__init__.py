"""`minortom report`: metrics, baselines, maps and the HTML page of a selection.

Layer: with `dataset`, above `sampling`.
"""
