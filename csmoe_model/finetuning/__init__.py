"""`csmoe finetune` and `csmoe predict`: train encoder and head on labels, and apply them.

Layer: above `probing`.
"""
