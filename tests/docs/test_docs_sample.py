"""The commands and statements of docs/sample.md are run and checked."""

import re
import subprocess
import sys

import pyarrow.parquet as pq
import pytest
import typer
from minortom_cli.console import run
from minortom_cli.curate.sample import sample
from points import annotated_table, random_lonlat
from points_files import write_points
from repository import DOCS
from spread_tables import with_columns

from minortom.io.provenance import Provenance
from minortom.sampling.presets import sample_options

DOC = (DOCS / "sample.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^minortom sample (.+)$", DOC, flags=re.MULTILINE)
ROWS = {
    row[0]: row[1:] for row in re.findall(r"^\| `--([\w-]+)` \|(.*?)\|(.*?)\|", DOC, re.MULTILINE)
}

app = typer.Typer(add_completion=False)
app.command()(sample)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = annotated_table(*random_lonlat(220), ["Dfb/tree_cover"] * 130 + ["BWh/shrubland"] * 90)
    table = with_columns(table)
    write_points(table, tmp_path / "annotated.parquet", Provenance(command="annotate", options={}))
    (quota,) = re.findall(r"```csv\n(.*?)```", DOC, flags=re.DOTALL)
    (tmp_path / "quota.csv").write_text(quota)
    kept = table["grid_cell"].to_pylist()[3:5]
    (tmp_path / "mine.txt").write_text("\n".join(kept))
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_each_documented_command_runs(folder, command, capsys):
    arguments = command.split()

    assert run(app, [*arguments, "--workers", "1"]) == 0
    assert len(pq.read_table(folder / arguments[arguments.index("--out") + 1])) in range(100, 201)
    capsys.readouterr()


def test_the_documented_script_runs(folder):
    (code,) = re.findall(r"```python\n(.*?)```", DOC, flags=re.DOTALL)
    (folder / "script.py").write_text(code)

    done = subprocess.run(
        [sys.executable, "script.py"], cwd=folder, check=True, capture_output=True, text=True
    )

    assert done.stdout == "190\n"


def test_each_option_is_documented_and_each_documented_option_exists():
    command = typer.main.get_command(app)
    exist = {name for p in command.params for name in p.opts if name.startswith("--")}

    named = set(re.findall(r"--[a-z][\w-]+", DOC.split("## Speed")[0]))  # benchmarks have others
    assert {f"--{name}" for name in ROWS} == exist
    assert named <= exist


@pytest.mark.parametrize(("preset", "column"), [("default", 0), ("paper", 1)])
def test_documented_values_are_those_of_the_presets(preset, column):
    options = sample_options(preset=preset)
    values = {
        "coverage-weight": options.genetic.coverage_weight,
        "within-weight": options.genetic.within_weight,
        "generations": options.genetic.generations,
        "population": options.genetic.population,
        "crossover-rate": options.genetic.crossover_rate,
        "tolerance": options.genetic.tolerance,
    }

    assert {name: float(ROWS[name][column]) for name in values} == values
    assert options.genetic.mutation_rate is None
    assert ROWS["coupling"][column].strip() == ("`on`" if options.coupling.coupling else "`off`")
    assert ROWS["mutation-rate"][column].strip() == "`auto`"
