"""Tables of the time of a search, and of distances and reserves."""

import statistics

from _results import source, stored, table
from _sample_tables import DIGITS, METHOD_NAMES


def many_strata():
    """Time and memory for many strata, and for many tiles a stratum."""
    found = stored("many_strata")
    first = {kind: found[kind][0]["seconds"] for kind in ("strata", "sizes")}
    rows = [
        [f"{row['strata']:,} strata of 300 tiles, N_s = 100", f"{row['seconds']:.0f}",
         f"{row['seconds'] / first['strata']:.1f} ×", f"{row['main_mib']:,.0f}"]
        for row in found["strata"]
    ] + [
        [f"globe, N_s = {row['per_stratum']:,}", f"{row['seconds']:.0f}",
         f"{row['seconds'] / first['sizes']:.1f} ×", f"{row['main_mib']:,.0f}"]
        for row in found["sizes"]
    ]  # fmt: skip
    head = ["set", "seconds", "ratio to the first", "memory of the main process, MiB"]
    return f"{table(head, rows)}\n\n{source('many_strata')}"


def speed():
    """Seconds of each method, as multiples of those of k-means."""
    methods = stored("sample")["sets"]["globe"]["methods"]
    rows = [
        [METHOD_NAMES[name], f"{statistics.median(values['seconds']):.1f}"]
        for name, values in methods.items()
    ]
    return table(["selection", "seconds, median of its seeds"], rows)


def algorithm_2():
    """A straightforward Algorithm 2, ours, and the swap search."""
    found = stored("algorithm_2")
    rows = [
        [row["stratum"], f"{row['tiles']:,}", f"{row['first_s']:.2f}", f"{row['ours_s']:.2f}",
         f"{row['first_s'] / row['ours_s']:.0f} ×", f"{row['first_nats']:.2f}",
         f"{row['ours_nats']:.2f}", f"{row['swaps_s']:.2f}", f"{row['swaps_nats']:.2f}"]
        for row in found["rows"]
    ]  # fmt: skip
    head = ["stratum", "tiles", "straightforward, s", "ours, s", "faster", "H", "H of ours",
            "swaps, s", "H of swaps"]  # fmt: skip
    return f"{table(head, rows)}\n\n{source('algorithm_2')}"


def min_distance():
    """A sentence about minimum distances."""
    one, other = stored("place")["distances"]
    return (
        f"On the benchmark set, {one['missing']:,} of the requested tiles are missing at "
        f"{one['km']} km (nn {one['nn_km']:.0f}, cover {one['cover_km']:.0f}) and "
        f"{other['missing']:,} at {other['km']} km (nn {other['nn_km']:.0f}, cover "
        f"{other['cover_km']:.0f}), mostly of small strata, which are clusters of neighbours."
    )


def reserves():
    """The measures after removed tiles were replaced in several ways."""
    ways = {
        "whole": "the whole selection", "removed": "5 % removed, not replaced",
        "random": "replaced by random tiles of the stratum",
        "reserves": "replaced by reserves, by rank",
    }  # fmt: skip
    rows = [
        [ways[row["way"]], *(format(row[key], DIGITS[key]) for key in DIGITS)]
        for row in stored("place")["reserves"]
    ]  # fmt: skip
    return f"{table(['', 'nn', 'within', 'cover', 'balance'], rows)}\n\n{source('place')}"


SEARCH_TABLES = {
    "many-strata": many_strata,
    "speed": speed,
    "algorithm-2": algorithm_2,
    "min-distance": min_distance,
    "reserves": reserves,
}
