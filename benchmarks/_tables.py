"""Write the tables of README.md and docs/ from the stored results of the benchmarks.

    python benchmarks/_tables.py

A table stands between `<!-- figures: NAME -->` and `<!-- end of figures -->`; NAME is a key of
`TABLES`. A test compares the documents with what this script writes.
"""

import re
from pathlib import Path

from _annotate_tables import ANNOTATE_TABLES
from _cluster_tables import CLUSTER_TABLES
from _evaluate_tables import EVALUATE_TABLES
from _evidence_tables import EVIDENCE_TABLES
from _figure_tables import FIGURE_TABLES
from _model_tables import MODEL_TABLES
from _pruning_tables import PRUNING_TABLES
from _sample_tables import SAMPLE_TABLES
from _search_tables import SEARCH_TABLES
from _text_tables import TEXT_TABLES
from _training_tables import TRAINING_TABLES

ROOT = Path(__file__).parent.parent
DOCUMENTS = (
    "README.md", "docs/annotate.md", "docs/clusters.md", "docs/demo.md", "docs/ensembles.md",
    "docs/evaluate.md", "docs/evidence.md", "docs/finetune.md", "docs/model.md", "docs/prune.md",
    "docs/sample.md", "docs/shards.md", "docs/speed.md", "docs/text.md", "docs/train.md",
)  # fmt: skip
_BLOCK = re.compile(r"<!-- figures: ([\w-]+) -->\n.*?<!-- end of figures -->", re.DOTALL)

TABLES = {
    **CLUSTER_TABLES, **SAMPLE_TABLES, **SEARCH_TABLES, **ANNOTATE_TABLES, **PRUNING_TABLES,
    **TEXT_TABLES, **TRAINING_TABLES, **MODEL_TABLES, **EVALUATE_TABLES, **EVIDENCE_TABLES,
    **FIGURE_TABLES,
}  # fmt: skip


def with_tables(text):
    """Return a document with the tables of the stored results."""

    def block(match):
        name = match[1]
        return f"<!-- figures: {name} -->\n{TABLES[name]()}\n<!-- end of figures -->"

    return _BLOCK.sub(block, text)


def main():
    """Rewrite the documents."""
    for name in DOCUMENTS:
        path = ROOT / name
        path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
