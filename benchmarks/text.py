"""Search held-out cells of the synthetic planet by sentences, and compare with simpler ways.

    python benchmarks/text.py OUT [--seeds 0,1] [--patches 2]

The pretrained models are those of `benchmarks/evaluate.py`, read from its cache. For each seed and
sensor, `csmoe_model.text.train` trains a text model on the cells of the splits `train` and `val`;
the cells of `test` are searched with held-out templates. Beside it: a training on the captions of
other cells (shuffled), vectors of the untrained model, the share of a class in the training cells
of the same climate (prior), and ridge regressions on the classes, without text (probe). Vectors and
scores are stored in OUT, so that an interrupted benchmark resumes.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from _planet_models import pretrained, shards
from _results import store
from _text_data import (
    COLUMNS,
    encoded,
    few_patches,
    named_tiles,
    shuffled,
    store_scores,
    stored_scores,
    write_embeddings,
)
from _text_queries import PAIRS, Queries, draw_unseen, entry, prior_scores, probe_scores, scored

from csmoe_model.evaluation.bootstrap import Bootstrap
from csmoe_model.extractors.load import load_extractor
from csmoe_model.text import train
from csmoe_model.text.model import load_text_model
from minortom.shards.shard_set import ShardSet

SENSORS = ("s2", "s1", "both")
DRAWS = 200
UNSEEN_ROW = "never seen together"


def searched(run, embeddings, queries, vectors, tiles, *, sensor, seed):
    """Train a text model; return the cosines of the test patches with each sentence."""
    train(embeddings, out=run, annotated=tiles, sensor=sensor, seed=seed, overwrite=True)
    model = load_text_model(run)
    image = model.image_vectors(vectors[queries.test_n])
    return {
        kind: [list(model.text_vectors(sentences) @ image.T) for sentences in of_kind]
        for kind, of_kind in queries.sentences.items()
    }


class Seed:
    """All trainings of one seed: scores by row and kind of query."""

    def __init__(self, out, data, samples, queries, seed):
        """Encode the patches by the trained and the untrained model."""
        self.out, self.queries, self.seed = out, queries, seed
        self.tiles, self.mixed = out / "tiles.parquet", out / f"shuffled-{seed}.parquet"
        pq.write_table(shuffled(pq.read_table(self.tiles), seed), self.mixed)
        extractor = load_extractor(pretrained(f"seed-{seed}"))
        models = {"text": extractor, "untrained": extractor.untrained(seed=seed).make()}
        self.vectors = {
            name: encoded(model, data, samples, out / f"{name}-{seed}-{len(samples)}.npz")
            for name, model in models.items()
        }
        self.unseen = [queries.pairs.index(pair) for pair in draw_unseen(queries, seed)]

    def rows(self):
        """Return the scores of all rows; store them in a file, or read them from it."""
        cache = self.out / f"scores-{self.seed}-{len(self.queries.split)}.npz"
        if not cache.exists():
            store_scores(cache, self._rows())
        return stored_scores(cache)

    def _rows(self):
        found = {"prior": prior_scores(self.queries)}
        for sensor in SENSORS:
            found |= {
                f"text {sensor}": self._text("text", sensor),
                f"shuffled {sensor}": self._text("text", sensor, tiles=self.mixed),
                f"untrained {sensor}": self._text("untrained", sensor),
                f"probe {sensor}": probe_scores(self.queries, self.vectors["text"][sensor]),
            }
        pairs = [self.queries.pairs[n] for n in self.unseen]
        left_out = np.any([self.queries.is_pair(*pair) for pair in pairs], axis=0)
        keep = ~left_out | (self.queries.split == "test")
        found[UNSEEN_ROW] = self._text("text", "both", keep=keep)
        return found

    def _text(self, model, sensor, *, tiles=None, keep=None):
        vectors = self.vectors[model]
        rows = np.flatnonzero(np.ones(len(self.queries.split), bool) if keep is None else keep)
        path = self.out / f"embeddings-{self.seed}.parquet"
        write_embeddings(
            path, self.queries.table.select(COLUMNS).take(pa.array(rows)),
            {sensor: vectors[sensor][rows]}, f"{model} {self.seed}",
        )  # fmt: skip
        return searched(
            self.out / f"run-{self.seed}", path, self.queries, vectors[sensor], tiles or self.tiles,
            sensor=sensor, seed=self.seed,
        )  # fmt: skip


def summary(rows, unseen, queries, bootstrap):
    """Return the scores of all rows by kind of query, and the differences from `text`."""
    scores, differences = {}, []
    for kind in queries.truth:
        draws = {}
        for name in rows[0]:
            if kind in rows[0][name] and (name != UNSEEN_ROW or kind == PAIRS):
                chosen = unseen if name == UNSEEN_ROW else None
                found = scored([row[name][kind] for row in rows], queries, kind, bootstrap, chosen)
                draws[name] = found
                scores.setdefault(kind, {})[name] = entry(*found)
        for sensor in SENSORS:
            value, draw = draws[f"text {sensor}"]
            for name in (f"shuffled {sensor}", f"untrained {sensor}", "prior", f"probe {sensor}"):
                if name in draws:
                    other = draws[name]
                    gain = entry(value - other[0], draw - other[1])
                    differences.append({"kind": kind, "of": f"text {sensor}", "minus": name} | gain)
    seen = scored([row["text both"][PAIRS] for row in rows], queries, PAIRS, bootstrap, unseen)
    scores[PAIRS]["the same pairs, seen"] = entry(*seen)
    chance = np.mean([[queries.truth[PAIRS][n].mean() for n in numbers] for numbers in unseen])
    return {"scores": scores, "differences": differences, "unseen_chance": float(chance)}


def main():
    """Store and print the mean average precision of each row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--patches", type=int, default=2, help="patches of each cell")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    data = ShardSet.open(shards("probing"))
    samples = few_patches(data, options.patches)
    table = data.metadata(COLUMNS).take(pa.array(samples))
    pq.write_table(named_tiles(table), options.out / "tiles.parquet")
    queries = Queries.of(table, pq.read_table(options.out / "tiles.parquet"))
    seeds = [int(seed) for seed in options.seeds.split(",")]
    made = [Seed(options.out, data, samples, queries, seed) for seed in seeds]
    bootstrap = Bootstrap.over(len(queries.test_n), queries.cells, seed=0, num_draws=DRAWS)
    found = summary([one.rows() for one in made], [one.unseen for one in made], queries, bootstrap)
    record = {
        "seeds": seeds, "patches": options.patches, "test_cells": len(np.unique(queries.cells)),
        "queries": {kind: len(of) for kind, of in queries.truth.items()},
        "chance": queries.chances, **found,
    }  # fmt: skip
    store("text", record)
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
