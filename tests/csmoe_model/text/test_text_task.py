"""The queries that a text training validates with."""

import tracemalloc

import numpy as np

from csmoe_model.text.captions import Captions, SameTexts
from csmoe_model.text.task import CaptionedPatches, TextTask
from csmoe_model.text.vocabulary import Vocabulary
from csmoe_model.training.supervised_config import SupervisedConfig


def task_of(text_m):
    """Return a task whose patches have one caption each, given by the number of its text."""
    count = len(text_m)
    texts = [f"word{number}" for number in text_m]
    captions = Captions(
        texts=texts, patch_m=np.arange(count),
        meanings=SameTexts(text_m=text_m, patch_m=np.arange(count), num_patches=count),
    )  # fmt: skip
    patches = CaptionedPatches(
        feature_nF=np.zeros((count, 1), np.float32), captions=captions, patch_n=np.arange(count),
        vocabulary=Vocabulary.of(texts, texts),
    )  # fmt: skip
    return TextTask(train=patches, val=patches, config=SupervisedConfig())


def test_queries_of_captions_that_all_differ_are_even_and_need_little_memory():
    count = 4000
    task = task_of(np.arange(count))
    tracemalloc.start()
    queries = task.queries
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert queries.tolist() == np.linspace(0, count - 1, 300).round().tolist()
    assert peak_bytes < count * count / 2  # a matrix of all pairs has count² bytes


def test_a_caption_of_all_patches_is_no_query():
    assert task_of(np.zeros(5, int)).queries.tolist() == []
    assert task_of(np.array([0, 0, 1])).queries.tolist() == [0, 2]
