"""`minortom.verify`, `show` and `publish` as Python users call them."""

import json

import pytest
from minortom_cli.console import run
from minortom_cli.curate.app import app
from shard_maker import write_made_up_shards

import minortom
from minortom.errors import InputError


@pytest.fixture
def folder(tmp_path):
    write_made_up_shards(tmp_path / "shards", num_patches=30, num_val=4)
    return tmp_path / "shards"


def printed(capsys, *arguments):
    code = run(app, [*map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_verify_returns_what_the_command_prints(folder, capsys):
    found = minortom.verify(str(folder), deep=True)
    assert found.ok and found.problems == ()
    assert (0, found.as_dict()) == printed(capsys, "verify", folder, "--deep")
    (folder / "extra.parquet").touch()
    found = minortom.verify(folder)
    assert not found.ok and len(found.problems) == 1
    assert (1, found.as_dict()) == printed(capsys, "verify", folder)
    assert str(found).split()[-2:] == ["problems", "1"]


def test_show_returns_what_the_command_prints(folder, tmp_path, capsys):
    counts = []
    page = tmp_path / "page.html"
    found = minortom.show(folder, out=str(page), patches=3, on_progress=lambda *c: counts.append(c))
    assert (found.status, found.patches, found.of) == ("written", 3, 30)
    assert counts[-1][0] == counts[-1][1]
    code, again = printed(capsys, "show", folder, "--out", page, "--patches", 3)
    assert (code, again) == (0, found.as_dict() | {"status": "up to date"})
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "page.html",
        "page.html.run.json",
        "shards",
    ]


def test_a_preview_returns_what_the_command_prints(folder, tmp_path, capsys):
    found = minortom.publish(folder, repo="someone/set", preview=tmp_path / "a")
    code, typed = printed(
        capsys, "publish", folder, "--repo", "someone/set", "--preview", tmp_path / "b"
    )
    assert code == 0 and list(typed) == list(found.as_dict()) == ["out", "status", "card", "sent"]
    assert found.card.read_bytes() == (tmp_path / "b" / "README.md").read_bytes()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda _: minortom.verify(3), "shards must be a path"),
        (lambda f: minortom.verify(f, workers="2"), "workers must be a whole number of at least 1"),
        (lambda f: minortom.show(f, out=None), "out must be a path"),
        (lambda f: minortom.show(f, out="p.html", patches=0), "patches must be a whole number of"),
        (lambda f: minortom.publish(f, repo=None), "repo must be text such as user/name, found"),
        (lambda f: minortom.publish(f, repo="a/b", report=1), "report must be a path"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_one_line(folder, call, message):
    with pytest.raises(InputError, match=message) as caught:
        call(folder)
    assert "\n" not in str(caught.value)
