"""Upload to the hub, with a local server in place of the hub."""

import json

import pytest
from hub_server import HubHandler
from shard_maker import write_made_up_shards
from web_server import COMMIT, serving

from minortom.dataset.publish import write_preview
from minortom.dataset.upload import upload
from minortom.errors import InputError, OutputExistsError, ShardError
from minortom.io.atomic_write import write_json
from minortom.remote.hub_upload import readable_hub_errors

REPO = "someone/minor-tom"
SHARDS = ["shard-00000-of-00002.parquet", "shard-00001-of-00002.parquet"]
BESIDE = ["README.md", "croissant.json", "dataset.json", "map.png"]
TOKEN = "hf_secretsecret"

# Of huggingface_hub about its own client, where it sends a large file.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def folder(tmp_path):
    """A training shard and one for validation."""
    write_made_up_shards(tmp_path / "shards", num_val=50, rows_per_shard=50, num_patches=100)
    return tmp_path / "shards"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty hub, and a user without a token and with an empty cache."""
    (tmp_path / "web").mkdir()
    with serving(tmp_path / "web", handler=HubHandler) as server:
        server.stand_for_the_hub(monkeypatch, tmp_path / "home")
        # What it does where its own transport is not installed; that speaks to no other server.
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr("time.sleep", lambda _: None)
        yield server


def publish(folder, **options):
    return upload(folder, REPO, **{"token": TOKEN} | options)


def there(hub):
    return hub.folder / "datasets" / REPO


def sent(hub):
    return [request.path for request in hub.requests if request.method == "PUT"]


def refused(kind, call, message):
    with pytest.raises(kind, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_the_shards_and_what_describes_them_are_in_the_repository(folder, hub):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    found = publish(folder)
    assert found.as_dict() | {"megabytes_sent": 0} == {
        "repository": REPO, "status": "published",
        "commit": f"{hub.url}/datasets/{REPO}/commit/{COMMIT}", "files_sent": 6,
        "megabytes_sent": 0, "shards": 2, "patches": 100,
    }  # fmt: skip
    assert sorted(p.name for p in there(hub).iterdir()) == [".gitattributes", *BESIDE, *SHARDS]
    for name in (*SHARDS, "dataset.json"):
        assert (there(hub) / name).read_bytes() == before[name]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_all_comes_in_one_commit(folder, hub):
    publish(folder)
    assert len([r for r in hub.requests if "/commit/" in r.path]) == 1


def test_the_same_set_again_is_up_to_date_and_sends_nothing(folder, hub):
    publish(folder)
    hub.requests.clear()
    found = publish(folder)
    assert (found.as_dict()["status"], found.files_sent) == ("up to date", 0)
    assert found.commit == f"{hub.url}/datasets/{REPO}/commit/{COMMIT}"
    assert [r.path for r in hub.requests if r.method != "GET"] == ["/api/repos/create"]


def test_only_a_card_that_was_changed_on_the_hub_is_sent_again(folder, hub):
    publish(folder)
    (there(hub) / "README.md").write_text("another")
    assert publish(folder).files_sent == 1
    assert "license: cc-by-sa-4.0" in (there(hub) / "README.md").read_text()


def test_another_data_set_is_replaced_only_with_overwrite_and_leaves_no_shard(
    folder, hub, tmp_path
):
    publish(folder)
    write_made_up_shards(tmp_path / "other", num_patches=60, rows_per_shard=60, num_val=0, seed=1)
    refused(
        OutputExistsError, lambda: publish(tmp_path / "other"),
        f"{REPO} exists and has other content .* --overwrite",
    )  # fmt: skip
    publish(tmp_path / "other", overwrite=True)
    assert [p.name for p in there(hub).glob("*.parquet")] == ["shard-00000-of-00001.parquet"]


def test_a_connection_that_is_cut_is_one_line_and_the_next_call_sends_only_the_rest(folder, hub):
    entries = json.loads((folder / "dataset.json").read_text())["shards"]
    second = f"/lfs/{entries[1]['sha256']}"
    hub.fail(second, cut_after=1000)
    refused(InputError, lambda: publish(folder), rf"about {REPO} failed \(\w+Error\); try again")
    assert [path.name for path in there(hub).iterdir()] == [".gitattributes"]
    hub.faults.clear()
    hub.requests.clear()
    publish(folder)
    assert sent(hub) == [second]


def test_a_connection_that_is_cut_once_is_tried_again(folder, hub):
    entries = json.loads((folder / "dataset.json").read_text())["shards"]
    hub.fail(f"/lfs/{entries[0]['sha256']}", cut_after=1000, times=1)
    assert publish(folder).files_sent == 6


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/api/repos/create", 401, r"\(HTTP 401\); run `hf auth login` with a token that may"),
        (f"/api/datasets/{REPO}/commit/main", 403, r"\(HTTP 403\); run `hf auth login`"),
        (f"/api/datasets/{REPO}/commit/main", 409, r"\(HTTP 409\); another process is changing it"),
        (f"/api/datasets/{REPO}/preupload/main", 500, r"\(HTTP 500\); try again later"),
    ],
)
def test_what_the_hub_refuses_is_one_line_without_the_token(folder, hub, path, status, message):
    hub.fail(path, status=status)
    refused(InputError, lambda: publish(folder), message)


def test_a_large_file_that_is_refused_is_one_line(folder, hub):
    entries = json.loads((folder / "dataset.json").read_text())["shards"]
    hub.fail(f"/lfs/{entries[0]['sha256']}", status=403)
    refused(InputError, lambda: publish(folder), r"\(HTTP 403\); run `hf auth login`")


def test_a_refusal_inside_a_good_answer_is_one_line_in_the_hub_s_words(folder, hub):
    words = "no room in the plan of someone, see https://hub.example/plans?secret=1"
    entry = {"oid": "0" * 64, "size": 5, "error": {"code": 507, "message": words}}
    hub.fail(
        f"/datasets/{REPO}.git/info/lfs/objects/batch", status=200,
        body=json.dumps({"objects": [entry]}).encode(),
    )  # fmt: skip
    refused(
        InputError, lambda: publish(folder),
        r"no room in the plan of someone, see …\); look at its page and at your account there",
    )  # fmt: skip
    assert [path.name for path in there(hub).iterdir()] == [".gitattributes"]


def test_a_page_in_the_place_of_an_answer_is_one_line(folder, hub):
    hub.fail(f"/api/datasets/{REPO}/preupload/main", status=200, body=b"<html>log in</html>")
    refused(InputError, lambda: publish(folder), rf"the request to the hub about {REPO} failed")


def test_a_refusal_from_the_other_transport_is_one_line(folder, hub, monkeypatch):
    pytest.importorskip("hf_xet")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", False)
    hub.fail(f"/api/datasets/{REPO}/xet-write-token/main", status=403)
    refused(InputError, lambda: publish(folder), r"\(HTTP 403\); run `hf auth login`")


def test_what_the_other_transport_raises_is_one_line_and_a_file_that_is_barred_is_not():
    def fail(error):
        with readable_hub_errors(REPO, None):
            raise error

    refused(
        InputError,
        lambda: fail(PermissionError("hf_secret")),
        "the token has no permission to write",
    )
    refused(InputError, lambda: fail(TimeoutError("hf_secret")), r"failed \(TimeoutError\)")
    refused(InputError, lambda: fail(RuntimeError("no hash")), r"failed \(no hash\)")
    with pytest.raises(PermissionError):
        fail(PermissionError(13, "Permission denied", "shard"))


def test_without_a_login_nothing_is_asked(folder, hub):
    refused(
        InputError,
        lambda: publish(folder, token=None),
        "needs an access token, but none is set; run",
    )
    assert hub.requests == []


def test_offline_is_one_line(folder, hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    refused(InputError, lambda: publish(folder), "HF_HUB_OFFLINE is set")
    assert hub.requests == []


@pytest.mark.usefixtures("hub")
def test_a_hub_that_does_not_answer_is_one_line(folder, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    refused(InputError, lambda: publish(folder), r"failed \(ConnectError\); try again later")


def test_no_folder_and_damaged_shards_are_refused_before_the_network(folder, hub, tmp_path):
    refused(ShardError, lambda: publish(tmp_path / "none"), "does not exist")
    (folder / SHARDS[0]).unlink()
    refused(ShardError, lambda: publish(folder), f"damaged .* {SHARDS[0]}: is missing")
    assert hub.requests == []


def test_a_flipped_bit_is_found_while_a_shard_is_sent_and_nothing_is_published(folder, hub):
    data = bytearray((folder / SHARDS[1]).read_bytes())
    data[3000] ^= 1
    (folder / SHARDS[1]).write_bytes(data)
    refused(InputError, lambda: publish(folder), f"{SHARDS[1]} is damaged: its SHA-256")
    assert not (there(hub) / SHARDS[0]).exists()


def test_a_missing_branch_is_named(folder, hub):
    there(hub).mkdir(parents=True)
    path = f"/api/datasets/{REPO}/revision/v2"
    hub.fail(path, status=404, headers={"X-Error-Code": "RevisionNotFound"})
    refused(InputError, lambda: publish(folder, revision="v2"), "has no revision v2")


def test_for_a_branch_no_repository_is_made(folder, hub):
    refused(InputError, lambda: publish(folder, revision="v2"), f"{REPO} does not exist on the hub")
    assert not there(hub).exists()


def test_a_new_data_set_is_private_with_private(folder, hub):
    publish(folder, private=True)
    asked = json.loads((there(hub).parent / f".{there(hub).name}.json").read_text())
    assert (asked["type"], asked["visibility"]) == ("dataset", "private")


def test_the_run_record_has_the_commit_and_no_token(folder, hub):
    publish(folder)
    text = (folder.parent / "shards.publish.run.json").read_text()
    record = json.loads(text)
    assert record["repository"] == REPO
    assert record["commit"].startswith(f"{hub.url}/datasets/{REPO}/commit/")
    assert record["files_sent"] == [*BESIDE, *SHARDS]
    assert TOKEN not in text
    assert "authorization" in hub.asked("/api/repos/create")[0].headers


@pytest.mark.usefixtures("hub")
def test_a_report_of_another_selection_is_refused(folder, tmp_path):
    (tmp_path / "report").mkdir()
    rows = [{"set": "selection", "tiles": 5}]
    write_json(
        tmp_path / "report" / "metrics.json",
        {"rows": rows, "minortom": {"inputs": {"selection": "0" * 64}}},
    )
    refused(InputError, lambda: publish(folder, report=tmp_path / "report"), "on another selection")
    refused(
        InputError,
        lambda: publish(folder, report=tmp_path),
        "expected a folder of .* with a metrics.json, found",
    )


def test_a_preview_equals_the_published_files_and_sends_no_request(folder, hub, tmp_path):
    write_preview(folder, REPO, tmp_path / "preview")
    assert hub.requests == []
    publish(folder)
    for name in BESIDE:
        assert (tmp_path / "preview" / name).read_bytes() == (there(hub) / name).read_bytes()
    refused(
        OutputExistsError,
        lambda: write_preview(folder, REPO, tmp_path / "preview"),
        "a new or empty folder",
    )
