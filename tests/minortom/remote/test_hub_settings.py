import pytest

from minortom.errors import InputError
from minortom.remote.hub_datasets import HubDataset, hub_headers
from minortom.remote.hub_settings import require_hub_settings
from minortom.remote.hub_upload import HubRepository

ODD = "hf_sécret"


@pytest.mark.parametrize("token", [ODD, "hf_a b", "hf_a\u200b", "hf_\x00"])
def test_a_token_that_no_request_can_have_is_one_line_without_it(token):
    with pytest.raises(InputError, match="in the access token of the hub, found another") as caught:
        require_hub_settings(token)
    assert token not in str(caught.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda: HubDataset.parse("hf://datasets/a/b").fetch("metadata.parquet"),
        hub_headers,
        lambda: HubRepository(name="a/b", kind="model").make(),
    ],
)
def test_it_is_checked_before_each_use(monkeypatch, call):
    monkeypatch.setattr("huggingface_hub.get_token", lambda: ODD)
    with pytest.raises(InputError, match="access token"):
        call()


@pytest.mark.parametrize("endpoint", ["http://[/x", "hub.example", "file:///x", "http://["])
def test_an_address_of_the_hub_that_is_none_is_one_line(monkeypatch, endpoint):
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    with pytest.raises(InputError, match="HF_ENDPOINT must be a URL such as https://host; correct"):
        require_hub_settings()


def test_usual_settings_pass_and_the_token_is_sent_as_it_is(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:8000")
    monkeypatch.setenv("HF_TOKEN", "hf_abcDEF-123")
    assert hub_headers()["authorization"] == "Bearer hf_abcDEF-123"
