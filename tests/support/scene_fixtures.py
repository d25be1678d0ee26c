"""Scenes in memory, and encoders whose tokens can be computed by hand."""

from pathlib import Path

import numpy as np

from minortom.sensors import GROUPS, MODEL_BANDS

STATISTICS = {
    group.column: {
        "bands": list(group.bands),
        "mean": [1000.0 + n for n in range(len(group.bands))],
        "std": [300.0 + n for n in range(len(group.bands))],
    }
    for group in GROUPS
}


class MadeScene:
    """Scene of arrays [C, H, W] by sensor; it counts how often each row of pixels is read."""

    def __init__(self, values, measured=None, bands=MODEL_BANDS):
        self.values = values
        some = next(iter(values.values()))
        self.height_px, self.width_px = some.shape[1:]
        self.measured = np.ones(some.shape[1:], bool) if measured is None else measured
        self.bands = {sensor: bands[sensor] for sensor in values}
        self.files = (Path("scene.tif"),)
        self.pixel_m = 10.0
        self.reads = dict.fromkeys(values, 0)
        self.most_rows = 0

    def read(self, sensor, channels, *, row_px, height_px):
        rows = slice(row_px, row_px + height_px)
        assert row_px + height_px <= self.height_px
        counts = np.zeros(self.height_px, int)
        counts[rows] = 1
        self.reads[sensor] = self.reads[sensor] + counts
        self.most_rows = max(self.most_rows, height_px)
        values = self.values[sensor][list(channels), rows].astype(np.float32)
        return values, np.broadcast_to(self.measured[rows], values.shape)


class MeanOfPixels:
    """Encoder whose tokens are the means of their pixels, band by band, in the first sensor."""

    def __init__(self, token_px):
        self.token_px = token_px
        self.batches = []

    def __call__(self, images, *, row_phase_px, col_phases_px):
        assert row_phase_px == 0
        assert not any(col_phases_px)
        tiles = next(iter(images.values()))
        assert np.isfinite(tiles).all()
        self.batches.append(len(tiles))
        pooled = pool(tiles, self.token_px)
        return pooled.reshape(*pooled.shape[:2], -1).transpose(0, 2, 1)


def pool(images, token_px):
    """Return the mean of each whole block of [..., H, W]."""
    height, width = (side // token_px for side in images.shape[-2:])
    whole = images[..., : height * token_px, : width * token_px]
    return whole.reshape(*images.shape[:-2], height, token_px, width, token_px).mean((-3, -1))
