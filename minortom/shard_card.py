"""The data set card: README.md beside the shards, for people and for the Hugging Face hub."""

from minortom.shard_layout import ATTRIBUTION, SampleSpec

_CARD = """\
---
license: cc-by-sa-4.0
pretty_name: Sentinel-1 and Sentinel-2 patches from Major TOM
tags:
- earth-observation
- sentinel-1
- sentinel-2
- major-tom
configs:
- config_name: default
  data_files: "*.parquet"
---

# Sentinel-1 and Sentinel-2 patches from Major TOM

{num_samples:,} pairs of patches of {patch_px} × {patch_px} pixels of 10 m from {num_tiles:,} tiles
of the Major TOM grid, on the same ground. Patches of one tile are in one split.

Licence CC BY-SA 4.0, inherited from Major TOM Core. Attribution: {attribution}.

## Columns

| column | dtype | shape | bands, in order | pixel | value | nodata |
|---|---|---|---|---|---|---|
{rows}

Bytes are little-endian, rows from north, columns from west. No pixel of these patches is nodata.
Sentinel-2 values have processing baseline 04.00's offset removed (`s2_offset` tells what was
subtracted); Sentinel-1 is radiometrically terrain-corrected backscatter.

Beside them: `grid_cell`, `patch_row`, `patch_col` (from the north-west of the tile's block),
`s2_product_id`, `s1_product_id`, `s2_timestamp`, `s1_timestamp` (UTC, null where unknown),
`dt_days` (Sentinel-1 minus Sentinel-2), `s2_offset`, `epsg`, `ulx_m`, `uly_m` (north-west corner),
`lat`, `lon` (centre, degrees), `climate` (Köppen-Geiger), `landcover`, `stratum`, `split`.

## Read a sample

With numpy and pyarrow, or any Parquet reader:

```python
{code}
```

Mean and standard deviation of each band over the `train` split are in `dataset.json`, with the
hash of every shard and what the data set was made from.

Cite Major TOM: Francis and Czerkawski, "Major TOM: Expandable Datasets for Earth Observation",
2024, https://arxiv.org/abs/2402.12095.
"""

_DTYPE_CODES = {"uint16": "<u2", "int16": "<i2"}


def data_card(spec: SampleSpec, *, first_shard: str, num_tiles: int, num_samples: int) -> str:
    """Write the card of a data set."""
    rows = []
    code = [
        "import numpy as np, pyarrow.parquet as pq",
        "",
        f'row = next(pq.ParquetFile("{first_shard}").iter_batches(1)).to_pylist()[0]',
    ]
    for group in spec.groups:
        shape = group.shape(spec.patch_px)
        rows.append(
            f"| `{group.column}` | {group.dtype} | {' × '.join(map(str, shape))} "
            f"| {' '.join(group.bands)} | {group.resolution_m} m "
            f"| {group.unit} / {group.scale:g} | {group.nodata} |"
        )
        kind = _DTYPE_CODES[group.dtype]
        code.append(
            f'{group.column} = np.frombuffer(row["{group.column}"], "{kind}").reshape{shape}'
        )
    return _CARD.format(
        num_samples=num_samples,
        num_tiles=num_tiles,
        patch_px=spec.patch_px,
        attribution=ATTRIBUTION,
        rows="\n".join(rows),
        code="\n".join(code),
    )
