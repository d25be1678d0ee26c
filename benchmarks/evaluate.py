"""Pretrain on the synthetic planet, probe far from the training patches, and compare seeds.

    python benchmarks/evaluate.py OUT [--seeds 0,1,2] [--sensors both,s2,s1] [--shots all,100,10]
                                      [--write]

It runs the commands of a user: shards of the synthetic planet with splits more than 100 km apart
and a pretraining run for each seed, both in the cache of `_planet_models.py`; a probe of each run
and of the baselines, and `csmoe compare`. Existing outputs are kept, so that an interrupted
benchmark resumes. `--write` trains and probes nothing, and writes the comparisons that are finished
to benchmarks/results/evaluate.json.
"""

import argparse
import itertools
import json
from pathlib import Path

from _planet_models import csmoe, pretrained, shards
from _results import store

COMPARED = "compared-{sensor}-{shots}"
"""Folder of a comparison."""
DRAWS = 3
"""Draws of random convolutions and random weights: with two, intervals of differences from them
would be three times as wide."""
SETTINGS = "data", "headline", "splits"
"""Settings that all comparisons share."""


def compare(out, seeds, sensor, shots):
    """Probe the run of each seed, and compare them; finished parts are kept."""
    few = [] if shots == "all" else ["--shots", shots]
    probes = [out / f"probe-{sensor}-{shots}-{seed}" for seed in seeds]
    for seed, probe in zip(seeds, probes, strict=True):
        csmoe(
            "probe", pretrained(f"seed-{seed}"), "--data", "shards", "--root", shards("probing"),
            "--sensor", sensor, "--seeds", DRAWS, "--cache", out / "features", "--out", probe, *few,
        )  # fmt: skip
    compared = out / COMPARED.format(sensor=sensor, shots=shots)
    csmoe("compare", *probes, "--out", compared)
    print((compared / "table.md").read_text(), flush=True)


def summary(out):
    """Return the scores and differences of each finished comparison, by sensor and shots.

    A score is the mean over seeds, with the interval over blocks and seeds together.
    """
    found = {}
    for path in sorted(out.glob(COMPARED.format(sensor="*", shots="*") + "/result.json")):
        sensor, shots = path.parent.name.split("-")[1:]
        record = json.loads(path.read_text())
        settings = {name: record[name] for name in SETTINGS}
        if settings != {name: found.setdefault(name, settings[name]) for name in SETTINGS}:
            raise ValueError(f"{path.parent} is of other patches than the comparisons before it")
        of_shots = found.setdefault("sensors", {}).setdefault(sensor, {}).setdefault(shots, {})
        of_shots["seeds"] = len(record["checkpoints"])
        for name in ("rows", "differences"):
            for row in record[name]:
                wider = [row["wider"][key] for key in ("value", "low", "high")]
                of_shots.setdefault(row["features"], {})[row["probe"]] = wider
    return found


def main():
    """Print the tables of the comparison, or write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", default="0,1,2", help="seeds of the pretraining")
    parser.add_argument("--sensors", default="both,s2,s1", help="sensors to probe")
    parser.add_argument("--shots", default="all,100,10", help="training patches of each land cover")
    parser.add_argument("--write", action="store_true", help="write the results of what is there")
    options = parser.parse_args()
    if options.write:
        if not (found := summary(options.out)):
            parser.error(f"{options.out} has no finished comparison; run without --write first")
        store("evaluate", found)
        return
    options.out.mkdir(parents=True, exist_ok=True)
    for words in itertools.product(options.sensors.split(","), options.shots.split(",")):
        compare(options.out, options.seeds.split(","), *words)


if __name__ == "__main__":
    main()
