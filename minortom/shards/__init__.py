"""Shards of patches, written and read: the contract between curation and training.

Layer: with `grid` and `remote`, above `io`.
"""

from typing import TYPE_CHECKING

from minortom.api.lazy import lazy_names

if TYPE_CHECKING:
    from minortom.shards.rows import decode as decode
    from minortom.shards.sample_sequence import SampleSequence as SampleSequence
    from minortom.shards.sample_sequence import open as open  # noqa: A004
    from minortom.shards.shard_set import ShardSet as ShardSet

__all__ = ["SampleSequence", "ShardSet", "decode", "open"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "SampleSequence": "minortom.shards.sample_sequence",
        "ShardSet": "minortom.shards.shard_set",
        "decode": "minortom.shards.rows",
        "open": "minortom.shards.sample_sequence",
    },
)
