"""The card of a model: README.md beside the weights, for people and for the Hugging Face hub."""

from collections.abc import Mapping, Sequence
from typing import Any

from csmoe_model.checkpoints.card_usage import Usage
from csmoe_model.config import ModelConfig
from csmoe_model.data.normalise import Statistics
from csmoe_model.data.preprocess import UNITS, Preprocess
from csmoe_model.experts.conditions import condition_names
from csmoe_model.experts.kept_experts import SHARED
from minortom.io.markdown import markdown_code, markdown_text
from minortom.io.provenance import licences_in
from minortom.sensors import MODEL_BANDS, SensorName

AFTER = "after"
"""Option in the provenance of weights kept during a run: their number of `epochs` and `steps`."""

_CARD = """\
---
{front}
---

# CSMoE, {recipe}

{what} of a masked autoencoder with soft mixture-of-experts layers, for pairs of
Sentinel-2 (L2A) and Sentinel-1 (RTC) images. Made by minortom {version}.

| | |
|---|---|
| sensors | {sensors} |
| weights | {millions:.2f} M parameters |
| vector | the [CLS] token, {width} wide |
| patch | {patch_size} × {patch_size} pixels; height and width of an image are multiples of it |
| trained on images of | {image_size} × {image_size} pixels |
| experts | {experts} |

## Use

{code}

## Input

{images}

| sensor | band | unit | mean | standard deviation |
|---|---|---|---|---|
{bands}

Sentinel-2: surface reflectance × 10,000, without the offset of processing baseline 04.00.
Sentinel-1: radiometrically terrain-corrected gamma0. In training, patches were resized to
{image_size} × {image_size} pixels; {resize}

## Provenance

{records}

Files: `{file}` holds the weights; `config.json` holds sizes, statistics and the whole
provenance. No quality is claimed: measure it on your task.

## Licences and attributions of the training data

{licences}

## Citation

Hackel, Burgert and Demir, "CSMoE: An Efficient Remote Sensing Foundation Model with Soft
Mixture-of-Experts", describes the layers and the objective. The authors of the paper did not make
these weights.
"""

_SHARE_ALIKE = "CC-BY-SA-4.0"


def model_card(
    *,
    usage: Usage,
    config: ModelConfig,
    sensors: Sequence[SensorName],
    encoder_only: bool,
    recipe: str,
    statistics: Statistics,
    records: Sequence[Mapping[str, Any]],
    num_weights: int,
) -> str:
    """Return the text of the model card.

    Args:
        usage: Texts about its use.
        config: Sizes of the model.
        sensors: Sensors that the model encodes.
        encoder_only: Whether decoders and projector were left out.
        recipe: Name of the recipe.
        statistics: Statistics of the training data.
        records: Provenance, newest first; the last one is that of the training.
        num_weights: Number of parameters in the file.
    """
    licences = licences_in(records[0])
    both = " and ".join(_LONG[sensor] for sensor in sensors)
    part = f"The encoder of {both}" if encoder_only else "Encoders and decoders"
    return _CARD.format(
        front=front_matter(
            licences, sensors, tags=("masked-autoencoder", "mixture-of-experts")
        ),
        recipe=markdown_code(recipe), what=part,
        version=markdown_text(records[0].get("version", "unknown")), sensors=both,
        millions=num_weights / 1e6, width=config.width, patch_size=config.patch_size,
        image_size=config.image_size,
        experts=_experts(config, sensors), code=usage.code, images=usage.images,
        resize=usage.resize, file=usage.file,
        bands="\n".join(_bands(statistics, sensors)),
        records="\n".join(_records(records)),
        licences="\n".join(f"- {markdown_text(line)}" for line in licences) or "- none recorded",
    )  # fmt: skip


_LONG: dict[SensorName, str] = {"s2": "Sentinel-2", "s1": "Sentinel-1"}


def front_matter(
    licences: Sequence[str], sensors: Sequence[SensorName], *, tags: Sequence[str]
) -> str:
    """Return the metadata for the hub, with the strictest licence if the hub knows it.

    Args:
        licences: Licences of the training data.
        sensors: Sensors that are read.
        tags: Tags of the architecture.
    """
    lines = []
    if any(_SHARE_ALIKE in line for line in licences):
        lines.append(f"license: {_SHARE_ALIKE.lower()}")
    elif licences:
        lines += ["license: other", "license_name: see-the-training-data"]
    lines += ["library_name: minortom", "pipeline_tag: image-feature-extraction", "tags:"]
    known = ["earth-observation", *(_LONG[sensor].lower() for sensor in sensors)]
    lines += [f"- {tag}" for tag in (*known, *tags)]
    if any("Major TOM" in line for line in licences):
        lines += ["datasets:", "- Major-TOM/Core-S2L2A", "- Major-TOM/Core-S1RTC"]
    return "\n".join(lines)


def _experts(config: ModelConfig, sensors: Sequence[SensorName]) -> str:
    if not config.num_experts:
        return "none: plain MLPs"
    slots = f"{config.num_experts} in each layer, {config.slots} slots"
    if config.condition != "none":
        named = ", ".join(condition_names(config.condition, sensors))
        slots += f"; the routing of shared layers is conditioned, with vectors of {named}"
    kept = {name: config.experts_of(name) for name in config.layers(*sensors, SHARED)}
    gone = {
        name: [n for n in range(config.num_experts) if n not in experts]
        for name, experts in kept.items()
    }  # fmt: skip
    removed = [
        f"{', '.join(map(str, numbers))} of {name}" for name, numbers in gone.items() if numbers
    ]
    return f"{slots}; pruned: without {'; '.join(removed)}" if removed else slots


def _bands(statistics: Statistics, sensors: Sequence[SensorName]) -> list[str]:
    preprocess, rows = Preprocess(statistics), []
    for sensor in sensors:
        means = getattr(preprocess, f"{sensor}_mean").flatten()
        stds = getattr(preprocess, f"{sensor}_std").flatten()
        for band, mean, std in zip(MODEL_BANDS[sensor], means, stds, strict=True):
            rows.append(f"| {sensor} | {band} | {UNITS[sensor][0]} | {mean:.4g} | {std:.4g} |")
    return rows


def _records(records: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for record in records:
        options = record.get("options", {})
        settings = _settings(options.get("train", options))
        if AFTER in options:
            settings.append(f"weights after {markdown_text(options[AFTER]['epochs'])} epochs")
        inputs = [
            f"{_named(name, options)} with the SHA-256 {markdown_code(sha256)}"
            for name, sha256 in record.get("inputs", {}).items()
        ]
        command = (
            f"- {markdown_code(record.get('command'))} of minortom "
            f"{markdown_text(record.get('version'))}"
        )
        lines.append(
            "; ".join([command, *(["from " + ", ".join(inputs)] if inputs else []), *settings])
        )
    return lines


def _named(name: str, options: Mapping[str, Any]) -> str:
    """Return an input of a record, with the checkpoint if it is the weights of a training."""
    given = options.get(name)
    shown = markdown_text(name)
    return f"{shown} {markdown_code(given)}" if isinstance(given, str) else shown


def _settings(options: Mapping[str, Any]) -> list[str]:
    values = [
        f"{markdown_text(key)} {markdown_text(value)}"
        for key, value in options.items()
        if isinstance(value, int | float | str)
    ]
    return [", ".join(values)] if values else []
