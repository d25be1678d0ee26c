"""What the paper and others print for its sets: to stand beside ours, never to be claimed.

CSMoE: the paper's Tables IV and V, frozen [CLS] and a linear layer, which saw other data for
longer. Trivial features: torchgeo-bench v0.4.0, a tuned logistic regression. Scores in %.
"""

CSMOE: dict[str, dict[str, float]] = {
    "m-bigearthnet": {"32": 62.6, "28": 65.1, "16": 66.5, "14": 66.0},
    "m-brick-kiln": {"32": 93.2, "28": 93.8, "16": 94.3, "14": 94.4},
    "m-so2sat": {"32": 44.1, "28": 46.3, "16": 48.0, "14": 49.6},
    "m-eurosat": {"32": 84.9, "28": 84.9, "16": 86.2, "14": 88.3},
    "m-cashew-plant": {"32": 46.0, "28": 48.3, "16": 55.7, "14": 59.4},
    "m-SA-crop-type": {"32": 35.8, "28": 36.7, "16": 38.6, "14": 39.8},
}
"""By set and patch size: mAP of m-bigearthnet, average accuracy, IoU of the last two."""
TRIVIAL: dict[str, dict[str, float]] = {
    "m-bigearthnet": {"band statistics": 49.0, "random convolutions": 62.5},
    "m-brick-kiln": {"band statistics": 95.3, "random convolutions": 91.4},
    "m-so2sat": {"band statistics": 38.5, "random convolutions": 48.8},
    "m-eurosat": {"band statistics": 86.5, "random convolutions": 91.0},
}


def published_rows(name: str) -> list[dict[str, object]]:
    """Give what is printed for a set; nothing for one that is not the paper's."""
    paper: list[dict[str, object]] = [
        {
            "features": f"CSMoE, patch {patch}", "percent": percent,
            "source": "paper, Table IV; another protocol",
        }
        for patch, percent in CSMOE.get(name, {}).items()
    ]  # fmt: skip
    trivial: list[dict[str, object]] = [
        {
            "features": features, "percent": percent,
            "source": "torchgeo-bench v0.4.0; another protocol",
        }
        for features, percent in TRIVIAL.get(name, {}).items()
    ]  # fmt: skip
    return paper + trivial
