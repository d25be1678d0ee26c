import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from minortom_cli.console import run
from minortom_cli.curate.sample import sample
from points import annotated_table, random_lonlat
from points_files import write_points

from minortom.io.provenance import Provenance

app = typer.Typer()
app.command()(sample)


@pytest.fixture
def annotated(tmp_path):
    path = tmp_path / "annotated.parquet"
    table = annotated_table(*random_lonlat(90), ["A/x"] * 60 + ["B/y"] * 30)
    write_points(table, path, Provenance(command="annotate", options={}))
    return path


def sampled(annotated, *more, out="selection.parquet"):
    arguments = [str(annotated), "--out", str(annotated.with_name(out)), "--workers", "1"]
    return run(app, [*arguments, *map(str, more)])


def test_json_has_only_the_result(annotated, capsys):
    assert sampled(annotated, "--per-stratum", 40, "--json") == 0

    result = json.loads(capsys.readouterr().out)
    assert result["tiles"] == 70
    assert (result["underfull"], result["taken_whole"]) == (0, 1)
    assert len(pq.read_table(result["out"])) == 70


def test_a_table_for_people(annotated, capsys):
    assert sampled(annotated, "--per-stratum", 10) == 0

    shown = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert shown["tiles"].strip() == "20"
    assert shown["method"].strip() == "genetic"


def test_a_seed_and_a_method(annotated, capsys):
    for seed in (0, 1):
        assert sampled(
            annotated, "--per-stratum", 9, "--method", "random", "--seed", seed, out=f"{seed}.pq"
        ) == 0  # fmt: skip

    first, second = (pq.read_table(annotated.with_name(f"{seed}.pq")) for seed in (0, 1))
    assert first["grid_cell"] != second["grid_cell"]
    capsys.readouterr()


def test_kept_cells(annotated, capsys):
    keep = annotated.with_name("keep.csv")
    first, second = pq.read_table(annotated)["grid_cell"].to_pylist()[:2]
    keep.write_text(f"grid_cell,why\n{first},dear\n{second},\n")

    assert sampled(annotated, "--per-stratum", 9, "--keep", keep, "--json") == 0
    assert json.loads(capsys.readouterr().out)["kept"] == 2


def test_the_same_again_is_up_to_date_and_another_needs_overwrite(annotated, capsys):
    assert sampled(annotated, "--per-stratum", 9) == 0
    assert sampled(annotated, "--per-stratum", 9, "--json") == 0
    shown = capsys.readouterr().out
    assert json.loads(shown[shown.index("{") :])["status"] == "up to date"

    assert sampled(annotated, "--per-stratum", 8) == 1
    assert capsys.readouterr().err.startswith("error: ")
    assert sampled(annotated, "--per-stratum", 8, "--overwrite") == 0


def test_a_missing_file_is_one_line_and_exit_1(tmp_path, capsys):
    assert sampled(tmp_path / "no.parquet") == 1

    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_the_papers_preset_allows_ten_percent_deviation(annotated, capsys):
    assert sampled(
        annotated, "--per-stratum", 20, "--preset", "paper", "--generations", 30, "--json"
    ) == 0  # fmt: skip

    assert 36 <= json.loads(capsys.readouterr().out)["tiles"] <= 44


def test_every_option_of_the_search_reaches_it(annotated, capsys):
    settings = {
        "coverage-weight": 0.25, "within-weight": 0.5, "generations": 2, "population": 3,
        "crossover-rate": 0.75, "mutation-rate": 0.125, "tolerance": 0.25,
    }  # fmt: skip
    given = [word for name, value in settings.items() for word in (f"--{name}", value)]
    assert sampled(annotated, "--per-stratum", 9, *given) == 0
    capsys.readouterr()

    stored = pq.read_schema(annotated.with_name("selection.parquet")).metadata[b"minortom"]
    used = json.loads(stored)["options"]
    assert {name: used[name.replace("-", "_")] for name in settings} == settings


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--coverage-weight", -1), "--coverage-weight must be a number from 0, found -1"),
        (("--coverage-weight", "inf"), "--coverage-weight must be a number from 0, found inf"),
        (("--within-weight", -1), "--within-weight must be a number from 0"),
        (("--mutation-rate", "much"), "--mutation-rate must be a number or auto, found much"),
        (
            ("--method", "random", "--coupling", "off"),
            "--coupling: works with --method genetic only",
        ),
        (("--objective", "mean-distance", "--coupling", "on"), "--objective entropy only"),
        (("--objective", "mean-distance", "--within-weight", 1), "--objective must be entropy"),
    ],
)
def test_a_value_out_of_range_is_one_line_and_exit_1(annotated, capsys, wrong, said):
    assert sampled(annotated, *wrong) == 1

    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert said in error


@pytest.mark.parametrize("wrong", [("--per-stratum", 0), ("--method", "best"), ("--workers", 0)])
def test_wrong_usage_is_exit_2(annotated, capsys, wrong):
    assert sampled(annotated, *wrong) == 2
    capsys.readouterr()


def test_the_annotated_file_is_never_replaced_by_its_own_selection(annotated, capsys):
    before = annotated.read_bytes()

    assert sampled(annotated, "--overwrite", out=annotated.name) == 1
    assert "is the input " in capsys.readouterr().err
    assert annotated.read_bytes() == before


def test_a_repeated_cell_is_an_error_that_names_it(annotated, capsys):
    table = pq.read_table(annotated).drop(["geometry"])
    doubled = pa.concat_tables([table, table.slice(7, 1)])
    write_points(doubled, annotated, Provenance(command="annotate", options={}))

    assert sampled(annotated) == 1
    name = table["grid_cell"][7].as_py()
    assert f"found 1 more than once, first {name};" in capsys.readouterr().err
