"""faiss gets kernels that the processor has, and the environment stays as it was."""

import os
import sys

import pytest

from minortom.api import faiss_library
from minortom.api.faiss_library import best_kernels, load_faiss
from minortom.errors import InputError

AVX2 = "fpu sse2 avx avx2 fma"
AVX512 = f"{AVX2} avx512f avx512bw avx512cd avx512dq avx512vl"


@pytest.mark.parametrize(
    ("text", "kernels"),
    [
        (f"processor\t: 0\nflags\t\t: {AVX512} vme\nbugs\t: none\n", "SkylakeX"),
        (f"flags\t\t: {AVX2}\nflags\t\t: {AVX512}\n", "Haswell"),
        (f"flags\t\t: {AVX512.replace(' avx512vl', '')}\n", "Haswell"),
        ("flags\t\t: fpu sse2\n", None),
        ("Features\t: fp asimd\n", None),
    ],
)
def test_kernels_need_all_their_instructions(tmp_path, text, kernels):
    (tmp_path / "cpuinfo").write_text(text)

    assert best_kernels(tmp_path / "cpuinfo") == kernels


def test_another_system_has_no_list_of_instructions(tmp_path):
    assert best_kernels(tmp_path / "absent") is None


@pytest.mark.parametrize(("given", "seen"), [(None, "Haswell"), ("Zen", "Zen")])
def test_the_kernels_are_named_during_the_import_alone(monkeypatch, tmp_path, given, seen):
    (tmp_path / "cpuinfo").write_text(f"flags : {AVX2}\n")
    monkeypatch.setattr(faiss_library, "_CPU", tmp_path / "cpuinfo")
    monkeypatch.delitem(sys.modules, "faiss", raising=False)
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    if given:
        monkeypatch.setenv("OPENBLAS_CORETYPE", given)
    found = []
    monkeypatch.setattr(
        faiss_library, "import_module", lambda _: found.append(os.environ["OPENBLAS_CORETYPE"])
    )

    load_faiss(needed_by="a test", extra="cluster")

    assert found == [seen]
    assert os.environ.get("OPENBLAS_CORETYPE") == given


def test_a_missing_faiss_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)

    with pytest.raises(InputError, match=r"a test needs the package faiss.*minortom\[cluster\]"):
        load_faiss(needed_by="a test", extra="cluster")
