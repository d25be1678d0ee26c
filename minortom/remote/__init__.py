"""Downloads over HTTP and from the Hugging Face hub, and uploads to the hub.

Layer: beside `grid` and `shards`, above `io`.
"""
