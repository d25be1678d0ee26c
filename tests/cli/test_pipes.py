"""Pipes and devices in place of files: one line, no hang, and no device is replaced."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from map_maker import write_map
from minortom_cli.console import run
from minortom_cli.main import app as minortom_app
from minortom_cli.model.app import app as csmoe_app

AREA = ["--bbox", "0,0,1,1"]
MAPS = ["--climate", "climate.tif", "--landcover", "landcover.tif", "--out", "a.parquet"]
DATA = ["--data", "folder", "--root", "PIPE"]
IGBP = ["--landcover-legend", "igbp"]
INPUTS = [
    ["annotate", "PIPE", *MAPS],
    ["annotate", "grid", *AREA, "--climate", "PIPE", *MAPS[2:]],
    ["annotate", "grid", *AREA, "--climate", "pipe.yaml", *MAPS[2:]],
    ["annotate", "grid", *AREA, *MAPS, "--descriptor", "soil=PIPE", "--manifest", "soil.yaml"],
    ["annotate", "grid", *AREA, *MAPS, "--descriptor", "soil=climate.tif", "--manifest", "PIPE"],
    ["annotate", "grid", "--region", "PIPE", *MAPS],
    ["cells", "--region", "PIPE"],
    ["locate", "--points", "PIPE"],
    ["fetch", "./pipe.yaml"],
    ["sample", "PIPE", "--out", "s.parquet"],
    ["sample", "climate.tif", "--keep", "PIPE", "--out", "s.parquet"],
    ["sample", "climate.tif", "--quota", "PIPE", "--out", "s.parquet"],
    ["report", "PIPE", "--annotated", "a.parquet", "--out", "report"],
    ["report", "s.parquet", "--annotated", "PIPE", "--out", "report"],
    ["export", "PIPE", "--s2", "S2", "--s1", "S1", "--out", "shards"],
    ["verify", "PIPE"],
    ["csmoe", "export", "PIPE", "--sensor", "s2", "--out", "encoder"],
    ["csmoe", "embed", "model", "PIPE", "--out", "e.tif"],
    ["csmoe", "search", "PIPE", "--shards", "shards", "--html", "hits.html"],
    ["csmoe", "probe", "band-statistics", *DATA, "--out", "p"],
    ["csmoe", "train", "shards", "--config", "PIPE", "--out", "run"],
]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder with a pipe under two names, and nobody who writes to it; tests end after 60 s."""
    monkeypatch.chdir(tmp_path)
    for name in ("PIPE", "pipe.yaml"):
        os.mkfifo(name)
    for name in ("climate.tif", "landcover.tif"):
        write_map(tmp_path / name, np.full((9, 18), 1, np.uint8))

    def stop(*_):
        raise TimeoutError("the command waits for the pipe")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(60)
    yield tmp_path
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def run_words(words):
    if words[0] == "csmoe":
        return run(csmoe_app, words[1:])
    return run(minortom_app, words)


@pytest.mark.parametrize("words", INPUTS, ids=" ".join)
def test_a_pipe_as_an_input_is_refused_in_one_line(words, folder, capsys):
    before = {path.name for path in folder.iterdir()}

    assert run_words(words) == 1

    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "a regular file or a folder, found the pipe" in err
    assert "write the output of a command to a file first" in err
    assert {path.name for path in folder.iterdir()} == before


def test_the_output_of_a_process_is_refused(capsys):
    reader, writer = os.pipe()
    os.write(writer, b"0U_1R\n")
    os.close(writer)
    assert run_words(["annotate", f"/dev/fd/{reader}", *MAPS]) == 1
    os.close(reader)
    assert "found the pipe /dev/fd" in capsys.readouterr().err


def test_a_file_behind_a_descriptor_is_read(folder):
    (folder / "cells.txt").write_text("0U_1R\n")
    with (folder / "cells.txt").open() as stream:
        assert run_words(["annotate", f"/dev/fd/{stream.fileno()}", *MAPS, *IGBP]) == 0


@pytest.mark.parametrize("more", [[], ["--overwrite"]], ids=["", "overwrite"])
def test_a_device_is_not_an_output(more, capsys):
    assert run_words(["cells", *AREA, "--out", "/dev/null", *more]) == 1
    assert "out must be a regular file or a folder, found the device" in capsys.readouterr().err
    assert Path("/dev/null").is_char_device()
