"""Tables of docs/text.md from the stored results of `text.py`."""

from _model_tables import percent, points
from _results import source, stored, table

SENSORS = {"s2": "Sentinel-2", "s1": "Sentinel-1", "both": "both"}
ROWS = {
    "text": "**text search**",
    "probe": "ridge on the classes, without text",
    "untrained": "text search, untrained extractor",
    "shuffled": "text search, shuffled captions",
}
KINDS = {
    "landcover": "land cover", "climate_group": "climate group",
    "pairs": "land cover and climate group", "hemisphere": "hemisphere", "season": "season",
}  # fmt: skip


def text_search():
    """Land cover by sentences, for each sensor, beside simpler ways."""
    found = stored("text")
    scores, chance = found["scores"]["landcover"], 100 * found["chance"]["landcover"]
    rows = [
        [label, *(percent(scores[f"{row} {sensor}"]) for sensor in SENSORS)]
        for row, label in ROWS.items()
    ]
    rows.append(["share of the class in training cells of the same climate class, without image",
                 *[percent(scores["prior"])] * 3])  # fmt: skip
    rows.append(["chance", *[f"{chance:.1f}"] * 3])
    return f"{table(['mAP of land cover, %', *SENSORS.values()], rows)}\n\n{source('text')}"


def text_differences():
    """Text search minus the other ways, paired over cells."""
    rows = {}
    for one in stored("text")["differences"]:
        if one["kind"] == "landcover":
            _, sensor = one["of"].split(" ")
            label = ROWS.get(one["minus"].split(" ")[0], "the share by climate class")
            rows.setdefault(label, {})[sensor] = points(one, "+.1f")
    lines = [[label, *(of[sensor] for sensor in SENSORS)] for label, of in rows.items()]
    return table(["text search minus …, points of mAP", *SENSORS.values()], lines)


def text_kinds():
    """Other queries with both sensors, beside the probe and chance."""
    found, rows = stored("text"), []
    for kind, label in KINDS.items():
        scores, chance = found["scores"][kind], found["chance"][kind]
        text = scores["text both"]
        rows.append(
            [label, found["queries"][kind], percent(text), percent(scores["probe both"]),
             f"{100 * chance:.1f}", f"{text['value'] / chance:.1f}"]
        )  # fmt: skip
    pairs, chance = found["scores"]["pairs"], found["unseen_chance"]
    for row, label in (
        ("never seen together", "pairs that the training never saw together"),
        ("the same pairs, seen", "the same pairs, seen in the training"),
    ):
        rows.append([label, "", percent(pairs[row]), "", f"{100 * chance:.1f}",
                     f"{pairs[row]['value'] / chance:.1f}"])  # fmt: skip
    head = ["query, both sensors", "queries", "text search, mAP in %", "ridge, mAP in %",
            "chance", "× chance"]  # fmt: skip
    return table(head, rows)


TEXT_TABLES = {
    "text-search": text_search, "text-differences": text_differences, "text-kinds": text_kinds,
}  # fmt: skip
