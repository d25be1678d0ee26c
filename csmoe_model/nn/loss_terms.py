"""Names of the loss terms of a pretraining step, as the log and the model have them; no torch."""

TERMS = (
    "loss", "umr", "cmr", "mi", "rep", "bal", "rec_s2_s2", "rec_s2_s1", "rec_s1_s1", "rec_s1_s2",
)  # fmt: skip
"""Terms of every batch, in the order of the columns of the log; fields of `PretrainOutput`."""
LOCAL_GLOBAL = "local_global"
"""Term of a batch with local crops, which follows them."""
