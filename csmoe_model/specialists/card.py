"""The card of a specialist: README.md beside its weights."""

from collections.abc import Mapping
from typing import Any

from csmoe_model.checkpoints.model_card import front_matter
from csmoe_model.data.preprocess import UNITS
from csmoe_model.datasets.base import LabelledSet
from csmoe_model.extractors.specialist import Specialist
from minortom.io.markdown import markdown_code, markdown_text
from minortom.io.provenance import Provenance

_CARD = """\
---
{front}
---

# Specialist: {arch} for {sensor}

A small network, trained with labels from random weights, to be used frozen: alone, or as a member
of an ensemble. Made by minortom {version}, after the idea of EoS-FM (arXiv 2511.21523); neither
code nor weights of it are used.

| | |
|---|---|
| architecture | {arch} (ConvNeXt V2) |
| trained for | {count} classes of {what}, {data}: {classes} |
| bands | {sensor}: {bands} ({unit}) |
| images | resized to {size} × {size} pixels |
| vector | {width} values, the normalised mean over the last stage |
| cost | {millions:.2f} M parameters, {gmacs:.3f} G multiply-adds per image |

## Use

```python
import csmoe_model

specialist = csmoe_model.load_extractor("FOLDER")
vectors = specialist({{"{sensor}": {sensor}}}, bands={{"{sensor}": {names}}})
```

Bands are selected by name and may be in any order. `csmoe ensemble build` and
`csmoe ensemble add` take the folder as a member, with the statistics of its vectors.

## Scores of its head on the test split

| score | % | 95 % interval |
|---|---|---|
{scores}

## Licences and attributions of the training data

{licences}
"""


def specialist_card(
    specialist: Specialist, data: LabelledSet, record: Mapping[str, Any], provenance: Provenance
) -> str:
    """Return the text of the card.

    Args:
        specialist: The specialist.
        data: Set that it was trained on.
        record: Content of `result.json`.
        provenance: How it was made.
    """
    (sensor,) = specialist.sensors
    bands = specialist.bands[sensor]
    licences = [f"- {markdown_text(line)}" for line in specialist.licences]
    return _CARD.format(
        front=front_matter(specialist.licences, specialist.sensors, tags=("specialist",)),
        arch=specialist.name, sensor=sensor, version=markdown_text(provenance.version),
        count=len(data.classes), what="pixels" if specialist.network.is_dense else "images",
        data=markdown_code(data.name),
        classes=", ".join(markdown_text(name) for name in data.classes),
        bands=" ".join(bands), unit=UNITS[sensor][0], names=list(bands),
        size=record["image_size"], width=specialist.width,
        millions=record["parameters"] / 1e6, gmacs=record["multiply_adds"] / 1e9,
        scores="\n".join(
            f"| {name.replace('_', ' ')} | {100 * one['value']:.1f} | "
            f"{100 * one['low']:.1f} to {100 * one['high']:.1f} |"
            for name, one in record["test"].items()
        ),
        licences="\n".join(licences) or "- none recorded",
    )  # fmt: skip
