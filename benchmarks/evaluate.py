"""Pretrain on the synthetic planet, probe far from the training patches, and compare seeds.

    python benchmarks/evaluate.py out/ [--seeds 0,1,2] [--sensors both,s2,s1] [--shots all,100,10]

It runs the commands of a user: shards of the synthetic planet with splits more than 100 km apart
and a pretraining run for each seed, both in the cache of `_planet_models.py`; a probe of each run
and of the baselines, and `csmoe compare`. Existing outputs are kept, so that an interrupted
benchmark resumes.
"""

import argparse
import itertools
from pathlib import Path

from _planet_models import csmoe, pretrained, shards


def main():
    """Print the tables of the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", default="0,1,2", help="seeds of the pretraining")
    parser.add_argument("--sensors", default="both,s2,s1", help="sensors to probe")
    parser.add_argument("--shots", default="all,100,10", help="training patches of each land cover")
    options = parser.parse_args()
    out, seeds = options.out, options.seeds.split(",")
    out.mkdir(parents=True, exist_ok=True)
    labelled = shards("probing")
    runs = [pretrained(f"seed-{seed}") for seed in seeds]
    for sensor, shots in itertools.product(options.sensors.split(","), options.shots.split(",")):
        probes = [out / f"probe-{sensor}-{shots}-{seed}" for seed in seeds]
        few = [] if shots == "all" else ["--shots", shots]
        for model, probe in zip(runs, probes, strict=True):
            csmoe(
                "probe", model, "--data", "shards", "--root", labelled, "--sensor", sensor,
                "--seeds", "2", "--cache", out / "features", "--out", probe, *few,
            )  # fmt: skip
        compared = out / f"compared-{sensor}-{shots}"
        csmoe("compare", *probes, "--out", compared)
        print((compared / "table.md").read_text(), flush=True)


if __name__ == "__main__":
    main()
