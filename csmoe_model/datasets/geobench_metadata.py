"""Metadata that the files of GEO-Bench v1 do not contain: units, classes, licences.

The classes come from the converters of GEO-Bench (https://github.com/ServiceNow/geo-bench).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from csmoe_model.datasets.base import Task
from csmoe_model.datasets.names import GeoBenchName
from minortom.sensors import SensorName

Benchmark = Literal["classification", "segmentation"]


@dataclass(frozen=True, kw_only=True)
class SetMetadata:
    """Metadata of one set."""

    dataset_class: str
    """Name of the class in `terratorch.datasets`."""
    task: Task
    s2_scale: float
    """Factor from stored values to reflectance × 10,000."""
    s2_unit: str
    licence: str
    classes: tuple[str, ...] | None = None
    """Names in the order of the label numbers; None where they come from TerraTorch or torchgeo."""
    has_s1: bool = False

    @property
    def benchmark(self) -> Benchmark:
        """Return the folder of GEO-Bench that contains the set."""
        return "segmentation" if self.task == "segmentation" else "classification"


METADATA: Mapping[GeoBenchName, SetMetadata] = {
    "m-bigearthnet": SetMetadata(
        dataset_class="MBigEarthNonGeo", task="multilabel", s2_scale=1,
        s2_unit="reflectance × 10,000", licence="CDLA-Permissive-1.0",
    ),
    "m-brick-kiln": SetMetadata(
        dataset_class="MBrickKilnNonGeo", task="multiclass", s2_scale=1,
        s2_unit="reflectance × 10,000", licence="CC-BY-SA-4.0",
        classes=("not brick kiln", "brick kiln"),
    ),
    "m-so2sat": SetMetadata(
        dataset_class="MSo2SatNonGeo", task="multiclass", s2_scale=10_000, has_s1=True,
        s2_unit="reflectance", licence="CC-BY-4.0",
    ),
    "m-eurosat": SetMetadata(
        dataset_class="MEuroSATNonGeo", task="multiclass", s2_scale=1,
        s2_unit="reflectance × 10,000, level 1C", licence="MIT",
    ),
    "m-cashew-plant": SetMetadata(
        dataset_class="MBeninSmallHolderCashewsNonGeo", task="segmentation", s2_scale=1,
        s2_unit="reflectance × 10,000", licence="CC-BY-4.0",
        classes=(
            "no data", "well-managed plantation", "poorly-managed plantation", "non-plantation",
            "residential", "background", "uncertain",
        ),
    ),
    # Bytes without a documented unit. As reflectance × 255 their band means, from 0.06 in blue to
    # 0.33 in the short-wave infrared, are typical of dry farmland.
    "m-SA-crop-type": SetMetadata(
        dataset_class="MSACropTypeNonGeo", task="segmentation", s2_scale=10_000 / 255,
        s2_unit="bytes, taken as reflectance × 255", licence="CC-BY-4.0",
        classes=(
            "no data", "lucerne or medics", "planted pastures (perennial)", "fallow",
            "wine grapes", "weeds", "small grain grazing", "wheat", "canola", "rooibos",
        ),
    ),
}  # fmt: skip

BAND_NAMES: Mapping[SensorName, Mapping[str, str]] = {
    "s2": {
        "B02": "02 - Blue", "B03": "03 - Green", "B04": "04 - Red",
        "B05": "05 - Vegetation Red Edge", "B06": "06 - Vegetation Red Edge",
        "B07": "07 - Vegetation Red Edge", "B08": "08 - NIR",
        "B8A": "08A - Vegetation Red Edge", "B11": "11 - SWIR", "B12": "12 - SWIR",
    },
    "s1": {"vv": "06 - VV.LEE Filtered", "vh": "05 - VH.LEE Filtered"},
}  # fmt: skip
"""Start of the name of each band in a file; a date may follow. Sentinel-1 bands are power after a
refined Lee filter."""
