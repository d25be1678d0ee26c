"""Queries of `benchmarks/text.py`: sentences, the patches they are true of, and simpler scores."""

from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np

from csmoe_model.ensembles.ridge import STRENGTHS, class_targets
from csmoe_model.evaluation.bootstrap import interval
from csmoe_model.evaluation.metrics import average_precision
from csmoe_model.text.attributes import attributes_of
from csmoe_model.text.phrases import Phrases
from csmoe_model.text.scoring import sentences_of

SINGLE = ("landcover", "climate_group", "hemisphere", "season")
PAIRS = "pairs"
PAIR_TEMPLATE = "{} climate with {}"
"""The held-out template of climate and land cover."""
MIN_POSITIVE, UNSEEN = 8, 8
"""Patches that a pair of classes must have to be a query; pairs left out of the training."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Queries:
    """Sentences about the patches of a table, and the truth."""

    table: object
    attributes: dict
    """Attributes by name."""

    @classmethod
    def of(cls, table, tiles):
        """Return the queries about patches, whose classes are those of a table of tiles."""
        place = {cell: n for n, cell in enumerate(tiles["grid_cell"].to_pylist())}
        rows = [place[cell] for cell in table["grid_cell"].to_pylist()]
        for name in ("climate", "landcover", "season"):
            if name in table.column_names:
                table = table.drop_columns(name)
            table = table.append_column(name, tiles[name].take(rows))
        found = attributes_of(table, np.ones(len(table), bool), Phrases.read())
        return cls(table=table, attributes={one.name: one for one in found})

    @cached_property
    def split(self):
        """Split of each patch."""
        return np.array(self.table["split"].to_pylist())

    @cached_property
    def test_n(self):
        """Numbers of the patches that are searched."""
        return np.flatnonzero(self.split == "test")

    @cached_property
    def cells(self):
        """Cells of these patches."""
        return np.array(self.table["grid_cell"].to_pylist())[self.test_n]

    @cached_property
    def pairs(self):
        """Pairs of land cover and climate group that enough patches of each split have."""
        cover, group = self.attributes["landcover"], self.attributes["climate_group"]
        return [
            (a, b)
            for a in range(len(cover.values)) for b in range(len(group.values))
            if min((self.is_pair(a, b) & (self.split == s)).sum() for s in ("train", "test"))
            >= MIN_POSITIVE
        ]  # fmt: skip

    def is_pair(self, cover, group):
        """Return which patches have a land cover and a climate group."""
        codes = self.attributes["landcover"].code_n, self.attributes["climate_group"].code_n
        return (codes[0] == cover) & (codes[1] == group)

    @cached_property
    def sentences(self):
        """Sentences of each query, by kind of query."""
        held_out = Phrases.read().held_out
        found = {name: sentences_of(self.attributes[name], held_out) for name in SINGLE}
        cover, group = (self.attributes[name].phrases for name in SINGLE[:2])
        found[PAIRS] = [
            [PAIR_TEMPLATE.format(said, cover[a][n % len(cover[a])])
             for n, said in enumerate(group[b])]
            for a, b in self.pairs
        ]  # fmt: skip
        return found

    @cached_property
    def truth(self):
        """Whether each query is true of each test patch, by kind of query."""
        found = {
            name: [one.code_n[self.test_n] == k for k in range(len(one.values))]
            for name, one in self.attributes.items() if name in SINGLE
        }  # fmt: skip
        return found | {PAIRS: [self.is_pair(a, b)[self.test_n] for a, b in self.pairs]}

    @property
    def chances(self):
        """Mean share of the test patches of which a query is true, by kind of query."""
        return {kind: float(np.mean([t.mean() for t in of])) for kind, of in self.truth.items()}


def draw_unseen(queries, seed):
    """Draw pairs to leave out of the training, at most one of each land cover."""
    order = np.random.default_rng([seed, 6]).permutation(len(queries.pairs))
    chosen = {queries.pairs[n][0]: queries.pairs[n] for n in order}
    return sorted(chosen.values())[:UNSEEN]


def prior_scores(queries):
    """Return the share of each land cover in the training cells of a patch's climate class."""
    cover, climate = (queries.attributes[name].code_n for name in ("landcover", "climate"))
    is_train = queries.split == "train"
    share = np.zeros((len(queries.sentences["landcover"]), climate.max() + 1))
    np.add.at(share, (cover[is_train], climate[is_train]), 1)
    share /= np.maximum(share.sum(0), 1)
    return {"landcover": [[row[climate[queries.test_n]]] for row in share]}


def probe_scores(queries, vectors):
    """Return the outputs of ridge regressions on the classes; a pair is the sum of its two."""
    found = {name: _ridge(queries, vectors, queries.attributes[name]) for name in SINGLE}
    cover, group = found["landcover"], found["climate_group"]
    found[PAIRS] = [[cover[a][0] + group[b][0]] for a, b in queries.pairs]
    return found


def _ridge(queries, vectors, attribute):
    """Return the output for each class in the test patches; `val` chooses the penalty."""
    parts = {name: queries.split == name for name in ("train", "val", "test")}
    mean, std = vectors[parts["train"]].mean(0), vectors[parts["train"]].std(0)
    x = (vectors - mean).astype(float) / np.maximum(std, 1e-12)
    classes = np.eye(len(attribute.values))[attribute.code_n]
    used = classes[parts["train"]].std(0) > 0
    target = class_targets(attribute.code_n[parts["train"]], "multiclass", len(attribute.values))
    gram, cross = x[parts["train"]].T @ x[parts["train"]], x[parts["train"]].T @ target
    best = None
    for strength in STRENGTHS:
        coefficient = np.linalg.solve(gram + strength * len(target) * np.eye(len(gram)), cross)
        output = np.full(classes.shape, -np.inf)
        output[:, used] = x @ coefficient
        pairs = zip(classes[parts["val"]].T > 0, output[parts["val"]].T, strict=True)
        score = np.mean([precision_of(t, o)(np.ones(len(t))) for t, o in pairs if t.any()])
        if best is None or score > best[0]:
            best = score, output[parts["test"]]
    return [[column] for column in best[1].T]


def precision_of(truth, score):
    """Return the function that computes the average precision for weights of patches."""
    return average_precision(truth, np.asarray(score, float))


def scored(runs, queries, kind, bootstrap, chosen=None):
    """Return the mean average precision of runs (seeds) and its draws.

    Args:
        runs: For each seed, the scores of each query and sentence.
        queries: The queries.
        kind: Kind of the queries.
        bootstrap: Draws test cells.
        chosen: For each seed, numbers of the queries to score; all when None.
    """
    scorers = []
    for number, run in enumerate(runs):
        numbers = range(len(run)) if chosen is None else chosen[number]
        precisions = [
            [precision_of(queries.truth[kind][n], score) for score in run[n]]
            for n in numbers if queries.truth[kind][n].any()
        ]  # fmt: skip
        scorers.append(lambda weights, of=precisions: {"map": _mean(of, weights)})
    ones = np.ones(len(queries.test_n))
    value = float(np.mean([one(ones)["map"] for one in scorers]))
    return value, bootstrap.draws_of(scorers)["map"]


def _mean(precisions, weights):
    return float(np.mean([np.mean([one(weights) for one in of]) for of in precisions]))


def entry(value, draws):
    """Return a value with its interval, for the results.

    The average precision of a resample is too high where few patches are positive, since copies
    of a patch have successive ranks. The draws are therefore shifted to the value.
    """
    return asdict(interval(value, draws - draws.mean() + value))
