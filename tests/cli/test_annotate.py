import json

import numpy as np
import pytest
from map_maker import write_map
from minortom_cli.console import run
from minortom_cli.curate.app import app


@pytest.fixture
def arguments(tmp_path) -> list[str]:
    (tmp_path / "cells.txt").write_text("5U_1R\n3D_2L\n0U_1999R\n")
    write_map(tmp_path / "climate.tif", np.uint8([[1, 1, 26, 26], [1, 1, 3, 3]]))
    write_map(tmp_path / "landcover.tif", np.uint8([[10, 10, 40, 40], [0, 0, 40, 40]]))
    return [
        "annotate", str(tmp_path / "cells.txt"), "--climate", str(tmp_path / "climate.tif"),
        "--landcover", str(tmp_path / "landcover.tif"), "--out", str(tmp_path / "a.parquet"),
    ]  # fmt: skip


def test_the_summary_counts_cells_tiles_strata_and_what_was_dropped(arguments, capsys):
    assert run(app, [*arguments, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert [line.split(",")[0] for line in summary.pop("citations")] == ["Beck", "Zanaga"]
    assert summary == {
        "out": arguments[-1],
        "status": "written",
        "cells_in": 3,
        "removed": {},
        "tiles": 2,
        "strata": 1,
        "dropped": {
            "outside_climate_map": 0, "no_climate_class": 0, "outside_landcover_map": 0,
            "no_landcover_class": 1,
        },
        "unmapped": {},
    }  # fmt: skip


def test_people_get_a_table(arguments, capsys):
    assert run(app, arguments) == 0
    shown = capsys.readouterr().out
    assert "tiles" in shown
    assert "no_landcover_class 1" in shown


def test_the_same_again_says_up_to_date(arguments, capsys):
    run(app, arguments)
    capsys.readouterr()
    assert run(app, arguments) == 0
    assert "up to date" in capsys.readouterr().out
    assert run(app, [*arguments, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["status"] == "up to date"
    assert (summary["cells_in"], summary["tiles"], summary["strata"]) == (3, 2, 1)
    assert "dropped" not in summary


def test_another_result_is_kept_unless_overwritten(arguments, tmp_path, capsys):
    run(app, arguments)
    (tmp_path / "cells.txt").write_text("5U_1R\n")
    assert run(app, arguments) == 1
    assert capsys.readouterr().err.startswith("error: ")
    assert run(app, [*arguments, "--overwrite", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tiles"] == 1


def test_a_box_may_begin_with_a_minus(arguments, capsys):
    assert run(app, [*arguments, "--bbox", "-10,0,10,10", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["removed"] == {"bbox": 2}


def test_a_box_over_the_antimeridian_has_west_above_east(arguments, capsys):
    (_, cells, *_) = arguments
    with open(cells, "a") as stream:  # noqa: PTH123
        stream.write("1U_2000L\n1U_2000R\n")
    assert run(app, [*arguments, "--bbox", "179,-1,-179,1", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["cells_in"], summary["removed"]) == (5, {"bbox": 2})


def test_both_legends_can_be_chosen(arguments, tmp_path, capsys):
    write_map(tmp_path / "climate.tif", np.full((2, 4), 95, np.uint8))
    write_map(tmp_path / "landcover.tif", np.uint8([[16, 16, 12, 12], [0, 0, 12, 12]]))
    legends = ["--climate-legend", "worldcover", "--landcover-legend", "igbp"]
    assert run(app, [*arguments, *legends, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["strata"] == 2


def test_several_lists_may_be_given(arguments, tmp_path, capsys):
    (tmp_path / "more.csv").write_text("grid_cell\n5U_1R\n9U_9R\n")
    more = [arguments[0], str(tmp_path / "more.csv"), *arguments[1:]]
    assert run(app, [*more, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cells_in"] == 4


@pytest.mark.parametrize(
    "wrong",
    [["--bbox", "1,2,3"], ["--bbox", "0,5,1,4"], ["--bbox", "0,0,361,1"], ["--colour", "red"]],
)
def test_wrong_usage_ends_with_2(arguments, capsys, wrong):
    assert run(app, [*arguments, *wrong]) == 2
    assert "Error" in capsys.readouterr().err


def test_a_missing_option_ends_with_2(arguments, capsys):
    assert run(app, arguments[:-2]) == 2
    assert "--out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--climate", "nowhere.tif", "nowhere.tif does not exist"),
        ("--landcover", "cells.txt", "cannot read the map"),
        ("--out", "climate.tif/a.parquet", "must be a folder, but is a file; give another --out"),
        ("--out", "", "expected --out with the suffix .parquet for the annotated tiles, found"),
        ("--out", "a.csv", "a.csv; change the name"),
        ("--out", "climate.tif", "climate.tif; change the name"),
        ("--landcover-legend", "atlantis", "worldcover) or an existing file, found 'atlantis'"),
        ("--landcover-legend", "igbp", ", found 40;"),
    ],
)
def test_a_users_mistake_is_one_line_and_1(arguments, tmp_path, capsys, option, value, message):
    path = value if "legend" in option else str(tmp_path / value)
    assert run(app, [*arguments, option, path, "--overwrite"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    assert message in printed.err
    assert not (tmp_path / "a.parquet").exists()
    assert not (tmp_path / "a.csv").exists()


def test_another_name_than_of_a_cell_is_one_line_that_shows_it(arguments, tmp_path, capsys):
    (tmp_path / "cells.txt").write_text("5U_1R\n0D_7R\n")
    assert run(app, arguments) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert "'0D_7R'" in printed
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "cells.txt",
        "climate.tif",
        "landcover.tif",
    ]
