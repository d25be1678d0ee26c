"""Odd values for texts, options and keys."""

TEXTS = (
    "", "nan", "inf", "-inf", "1e999", "-1", "0", "é", "\u200b", "a,b", '"', "'", "../x",
    "x" * 5000, "<script>", "# a", "1_0", "0x10", "2020-13-45", "0U_0R", "9999U_1R", "0U_99999R",
    "null", "[", "{",
    "http://[/x", "/dev/null", ".", "/", "~", "a\nb", "a\tb", "%s", "{0}", "\ud800",
)  # fmt: skip
VALUES = (
    None, True, [], {}, "", "x", -1, 0, 1.5, 1e308, 10**30, [[[]]], {"": {}}, ["a", 1], "é\n# a",
    float("nan"), float("inf"),
)  # fmt: skip
DEPTH = 50_000


def pick(items, rng):
    return items[rng.integers(len(items))]


def _places(value):
    """Return (container, key) of each value within a value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, item in pairs:
        found.append((value, key))
        if isinstance(item, dict | list):
            found += _places(item)
    return found


def changed(value, rng):
    places = _places(value)
    if places:
        container, key = pick(places, rng)
        if rng.random() < 0.2:
            del container[key]
        elif rng.random() < 0.2 and isinstance(container, dict):
            container[pick(("x", "", "é", "a b"), rng)] = container.pop(key)
        else:
            container[key] = pick(VALUES, rng)
    return value
