"""Does the model see anything? Pretrain on the demo planet, probe far from what it saw, compare.

    python benchmarks/evaluate.py pretrained/ [--seeds 0,1,2] [--sensors both,s2,s1]

Runs the commands that a user would: shards of the demo planet whose splits lie 100 km apart, a
pretraining run of each seed, a probe of each run beside the baselines, and `csmoe compare`. What is
there already is not made again, so that it goes on where it was stopped.
"""

import argparse
import subprocess
import sys
from pathlib import Path

PLANET = ["benchmarks/_planet_shards.py", "--cells", "100,20,60", "--patches", "4"]
MODEL = [
    "--recipe", "tiny", "--patch-size", "12", "--image-size", "120", "--mask-ratio", "0.75",
    "--mi-temperature", "0.1", "--logit-scale", "0.1",
]  # fmt: skip
TRAINING = [
    "--steps", "2400", "--batch-size", "64", "--lr", "1e-3", "--grad-clip", "1", "--warmup", "0.1",
    "--val-every", "600",
]  # fmt: skip


def run(*words):
    """Run a command, its output where ours goes; end where it fails."""
    print("$", *words, flush=True)
    if subprocess.run([str(word) for word in words], check=False).returncode:
        sys.exit(f"{words[0]} failed; the same command goes on from here")


def csmoe(*words):
    """Run a command of this environment's `csmoe`."""
    run(Path(sys.executable).parent / "csmoe", *words)


def pretrained(planet, out, seed):
    """Pretrain with a seed, or go on with it."""
    if (out / "model").exists():
        return
    resumed = ["--resume"] if (out / "checkpoints").exists() else [*MODEL, *TRAINING]
    csmoe("train", planet, "--out", out, "--seed", seed, "--no-tensorboard", *resumed)


def main():
    """Print the tables of the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", default="0,1,2", help="of the pretraining")
    parser.add_argument("--sensors", default="both,s2,s1", help="whose images are probed")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    planet = options.out / "planet"
    if not planet.exists():
        run(sys.executable, PLANET[0], planet, *PLANET[1:])
    seeds = options.seeds.split(",")
    for seed in seeds:
        pretrained(planet, options.out / f"seed-{seed}", seed)
    for sensor in options.sensors.split(","):
        probes = [options.out / f"probe-{sensor}-{seed}" for seed in seeds]
        for seed, probe in zip(seeds, probes, strict=True):
            csmoe(
                "probe", options.out / f"seed-{seed}", "--data", "shards", "--root", planet,
                "--sensor", sensor, "--cache", options.out / "features", "--out", probe,
            )  # fmt: skip
        compared = options.out / f"compared-{sensor}"
        csmoe("compare", *probes, "--out", compared)
        print((compared / "table.md").read_text())


if __name__ == "__main__":
    main()
