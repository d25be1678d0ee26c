"""Shards of the synthetic planet and models pretrained on them, in a cache outside the checkout.

    python benchmarks/_planet_models.py [NAME...]

Benchmarks probe, tune and prune the same models, which are trained once. The cache is
`~/.cache/minortom/benchmarks/planet`, or the folder `planet` in `MINORTOM_BENCHMARK_CACHE`. Missing
shards are written and missing models are trained; a model whose training was stopped resumes.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

SHARDS = {
    "pretraining": ["--cells", "1000,20,0", "--patches", "1"],
    "probing": ["--cells", "100,20,60", "--patches", "4"],
}
"""Patches of many cells to pretrain on, and of all three splits to probe on. The split of a cell
depends only on its block of ground, so that no test cell is within 100 km of a training cell."""
RECIPE = "tiny-p12"
"""Named model of all of them, with its own options of the training."""
MODELS = {
    **{f"seed-{seed}": ["--seed", str(seed)] for seed in range(3)},
    "experts-8-seed-0": ["--num-experts", "8", "--seed", "0"],
}
"""Further options of each model, by its name; further seeds are named alike."""
PROCESSES = 2
"""Processes of the pretraining, one core each. The loss terms equal those of a single process."""
CSMOE = Path(sys.executable).parent / "csmoe"


def cache_folder():
    """Return the folder of the shards and the models."""
    given = os.environ.get("MINORTOM_BENCHMARK_CACHE")
    base = Path(given).expanduser() if given else Path.home() / ".cache/minortom/benchmarks"
    return base / "planet"


def shards(name):
    """Return the folder of some shards; write them unless they exist."""
    out = cache_folder() / name
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        run(sys.executable, Path(__file__).with_name("_planet_shards.py"), out, *SHARDS[name])
    return out


def pretrained(name):
    """Return the folder of a run; train the model, or resume its training, unless it is there."""
    out = cache_folder() / name
    if not (out / "model").exists():
        begun = any((out / "checkpoints").glob("*"))
        how = (
            ["--resume"]
            if begun
            else ["--recipe", RECIPE, *MODELS.get(name, ["--seed", name.removeprefix("seed-")])]
        )
        run(
            sys.executable, "-m", "minortom_cli.torchrun", "--nproc-per-node", PROCESSES,
            "--no-python", CSMOE, "train", shards("pretraining"), "--out", out, "--no-tensorboard",
            "--save-every", "100", *how,
        )  # fmt: skip
    return out


def run(*words):
    """Run a command and show its output; exit if it fails."""
    print("$", *words, flush=True)
    if subprocess.run([str(word) for word in words], check=False).returncode:
        sys.exit(f"{words[0]} failed; the same command goes on from here")


def csmoe(*words):
    """Run a command of this environment's `csmoe`."""
    run(CSMOE, *words)


def main():
    """Make the shards and the models that are missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MODELS)}")
    names = parser.parse_args().names or list(MODELS)
    unknown = [name for name in names if name not in MODELS]
    if unknown:
        parser.error(f"expected {', '.join(MODELS)}, found {', '.join(unknown)}")
    for folder in [*map(shards, SHARDS), *map(pretrained, names)]:
        print(folder)


if __name__ == "__main__":
    main()
