"""The card of an ensemble: README.md, for people and for the Hugging Face hub."""

from collections.abc import Mapping
from typing import Any

from csmoe_model.checkpoints.model_card import front_matter
from csmoe_model.ensembles.selection import FIRST_ERRORS, SMALLEST_GAIN
from csmoe_model.extractors.ensemble import Ensemble
from minortom.io.markdown import markdown_code, markdown_text
from minortom.io.provenance import Provenance

_CARD = """\
---
{front}
---

# Ensemble of frozen extractors

The vectors of {count} frozen extractors, each standardised and divided by the root of its width,
are concatenated to {width:,} values. Made by minortom {version}, after the idea of EoS-FM
(arXiv 2511.21523); neither code nor weights of it are used.

| member | kind | reads | values | M parameters | G multiply-adds | SHA-256 |
|---|---|---|---|---|---|---|
{members}

Multiply-adds are those of an image of the size that `ensemble.json` names (`image_px`). The files
of a member are in `members/`, as copies of what its makers gave. `ensemble.json` has the SHA-256 of
each file and the licences of each member; the ensemble is refused if a file differs.

## Use

```python
import csmoe_model

ensemble = csmoe_model.load_extractor("FOLDER")
vectors = ensemble({{{images}}}, bands={{{bands}}})
```

`csmoe probe`, `csmoe embed` and `csmoe retrieve` take the folder as they take a checkpoint.
{trace}
## Licences and attributions

{licences}
"""

_TRACE = """
## Selection

Members were selected by a ridge regression of labels on held-out groups of images: the best
candidate is added while its gain in explained variance is above {least:g} % and exceeds one paired
standard error; that of the first member exceeds {first:g}.

| step | candidate | gain (%) | standard error (%) | explained variance (%) | chosen |
|---|---|---|---|---|---|
{rows}
"""


def ensemble_card(ensemble: Ensemble, manifest: Mapping[str, Any], provenance: Provenance) -> str:
    """Return the text of the card.

    Args:
        ensemble: The ensemble.
        manifest: Content of `ensemble.json`.
        provenance: How it was made.
    """
    licences = [f"- {markdown_text(line)}" for line in ensemble.licences]
    bands = {sensor: list(names) for sensor, names in ensemble.bands.items()}
    version = markdown_text(provenance.version)
    return _CARD.format(
        front=front_matter(ensemble.licences, ensemble.sensors, tags=("ensemble",)),
        count=len(ensemble.members), width=ensemble.width, version=version,
        members="\n".join(_member_row(entry) for entry in manifest["members"]),
        images=", ".join(f'"{sensor}": {sensor}' for sensor in ensemble.sensors),
        bands=", ".join(f'"{sensor}": {names}' for sensor, names in bands.items()),
        trace=_trace(manifest) if manifest["trace"] else "",
        licences="\n".join(licences) or "- none recorded",
    )  # fmt: skip


def _member_row(entry: Mapping[str, Any]) -> str:
    cells = (
        markdown_code(entry["name"]), entry["kind"], " and ".join(entry["sensors"]),
        entry["width"], f"{entry['parameters'] / 1e6:.2f}", f"{entry['multiply_adds'] / 1e9:.3f}",
        markdown_code(entry["sha256"][:16]),
    )  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


def _trace(manifest: Mapping[str, Any]) -> str:
    rows = [
        f"| {number} | {markdown_code(row['candidate'])} | {100 * row['gain']:.2f} | "
        f"{100 * row['standard_error']:.2f} | {100 * row['explained']:.2f} | "
        f"{'yes' if row['chosen'] else 'no'} |"
        for number, row in enumerate(manifest["trace"], start=1)
    ]
    return _TRACE.format(rows="\n".join(rows), least=100 * SMALLEST_GAIN, first=FIRST_ERRORS)
