"""Specialists of random weights, and ensembles of them, small enough for quick tests."""

import numpy as np
import torch
from labelled_sets import set_of, split_of

from csmoe_model.extractors.map_images import encode_set
from csmoe_model.extractors.specialist import Specialist, SpecialistNetwork
from csmoe_model.extractors.vector_statistics import VectorStatistics
from csmoe_model.nn.convnext import ARCHS, Sizes
from minortom.io.provenance import Provenance
from minortom.sensors import MODEL_BANDS

ARCH = "convnextv2-atto"
WIDTH = 12


def shrink_archs(monkeypatch):
    """Replace the smallest architecture and the random filters by some that take milliseconds."""
    monkeypatch.setitem(ARCHS, ARCH, Sizes(depths=(1, 1, 1, 1), widths=(4, 6, 8, WIDTH)))
    monkeypatch.setattr("csmoe_model.extractors.random_convolutions.NUM_FILTERS", 6)


def specialist_of(data, sensor="s2", *, bands=None, seed=0, licences=("of its labels",)):
    """Return a specialist of random weights with the statistics of the set's training images."""
    bands = bands or MODEL_BANDS[sensor]
    torch.manual_seed(seed)
    count = len(bands)
    network = SpecialistNetwork(
        ARCH, mean_C=torch.full((count,), 500.0), std_C=torch.full((count,), 1000.0),
        image_size=32, num_classes=2,
    )  # fmt: skip
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape)

    def trained(statistics):
        return Specialist.trained(
            network, sensor=sensor, bands=tuple(bands), classes=("forest", "water"),
            vector_statistics=statistics, licences=licences,
        )  # fmt: skip

    unmeasured = trained(VectorStatistics.of(np.zeros((1, network.width), np.float32)))
    vectors = encode_set(unmeasured, data.split("train"), sensors=[sensor], bands=data.bands)
    return trained(VectorStatistics.of(vectors))


def save_specialist(folder, data, sensor="s2", **options):
    """Write a specialist of random weights; return its folder."""
    specialist = specialist_of(data, sensor, **options)
    folder.mkdir(parents=True)
    provenance = Provenance(
        command="specialist train", options={}, inputs={"data": "ab"}, licences=specialist.licences
    )
    specialist.save(folder, provenance)
    return folder


def two_tasks(*, groups=24, seed=0):
    """Return a set of both sensors whose four classes differ in one band of each sensor.

    The brightness of B04 tells classes 0 and 1 from 2 and 3; that of vv tells 0 and 2 from the
    others. Each group has four images.
    """
    rng = np.random.default_rng(seed)
    splits = {}
    for name in ("train", "val", "test"):
        labels = np.arange(4 * groups) % 4
        images = {"s2": rng.normal(1500, 200, (len(labels), 10, 32, 32)).astype(np.float32)}
        images["s1"] = rng.normal(-12, 1, (len(labels), 2, 32, 32)).astype(np.float32)
        images["s2"][:, MODEL_BANDS["s2"].index("B04")] += 1500 * (labels // 2)[:, None, None]
        images["s1"][:, 0] += 6 * (labels % 2)[:, None, None]
        splits[name] = split_of(images, labels, np.repeat([f"g{k}" for k in range(groups)], 4))
    return set_of(splits, classes=("a", "b", "c", "d"))
