"""Pretrain on the synthetic planet, probe far from the training patches, and compare seeds.

    python benchmarks/evaluate.py out/ [--seeds 0,1,2] [--sensors both,s2,s1] [--shots all,100,10]

It runs the commands of a user: shards of the synthetic planet with splits more than 100 km apart,
a pretraining run for each seed, a probe of each run and of the baselines, and `csmoe compare`.
Existing outputs are kept, so that an interrupted benchmark resumes.
"""

import argparse
import itertools
import subprocess
import sys
from pathlib import Path

SHARDS = {
    "pretraining": ["--cells", "1000,20,0", "--patches", "1"],
    "probing": ["--cells", "100,20,60", "--patches", "4"],
}
"""Patches of many cells to pretrain on, and of all three splits to probe on. The split of a cell
depends only on its block of ground, so that no test cell is within 100 km of a training cell."""
MODEL = [
    "--recipe", "tiny", "--patch-size", "12", "--image-size", "120", "--mask-ratio", "0.75",
    "--mi-temperature", "0.1", "--logit-scale", "0.1",
]  # fmt: skip
TRAINING = [
    "--steps", "3300", "--batch-size", "64", "--lr", "1e-3", "--grad-clip", "1", "--warmup", "0.1",
    "--val-every", "500",
]  # fmt: skip
PROCESSES = 2
"""Processes of the pretraining, one core each. The loss terms equal those of a single process."""
CSMOE = Path(sys.executable).parent / "csmoe"


def run(*words):
    """Run a command and show its output; exit if it fails."""
    print("$", *words, flush=True)
    if subprocess.run([str(word) for word in words], check=False).returncode:
        sys.exit(f"{words[0]} failed; the same command goes on from here")


def csmoe(*words):
    """Run a command of this environment's `csmoe`."""
    run(CSMOE, *words)


def shards(out):
    """Make shards of the planet, unless they exist."""
    if not out.exists():
        run(sys.executable, Path(__file__).with_name("_planet_shards.py"), out, *SHARDS[out.name])
    return out


def pretrained(patches, out, seed):
    """Pretrain with a seed, or resume the run."""
    if not (out / "model").exists():
        begun = any((out / "checkpoints").glob("*"))
        how = ["--resume"] if begun else [*MODEL, *TRAINING, "--seed", seed]
        run(
            sys.executable, "-m", "minortom_cli.torchrun", "--nproc-per-node", PROCESSES,
            "--no-python", CSMOE, "train", patches, "--out", out, "--no-tensorboard",
            "--save-every", "100", *how,
        )  # fmt: skip
    return out


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
    patches, labelled = (shards(out / name) for name in SHARDS)
    runs = [pretrained(patches, out / f"seed-{seed}", seed) for seed in seeds]
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
