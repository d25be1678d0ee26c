"""Secrets of URLs, by every scheme that object stores use, in texts and in identities."""

import json
import logging
from urllib.parse import urlsplit

import pytest
from signed_urls import QUERIES, SECRET, USERS, signed

from minortom.errors import InputError
from minortom.io.provenance import Provenance
from minortom.public_urls import (
    hide_secrets_in_logs,
    identity_of,
    public_text,
    public_url,
    public_value,
)

PLACE = "https://host.example:8443/container/a%20b.tif"


@pytest.mark.parametrize("user", ["", *USERS])
@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_scheme_host_and_path_are_left(query, user):
    found = public_url(signed(PLACE, query, user))
    assert found == PLACE
    assert urlsplit(found)[:3] == urlsplit(PLACE)[:3]


@pytest.mark.parametrize(
    "frame",
    [
        "{}", "found {}; give another", "({})", "'{}'", '"{}"', "{}: the file", "two: {},{}",
        '{{"a": "{}", "b": 1}}', "--s2={}", "/vsicurl/{}", "<a href={}>", "a,{}", "{} and {}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_text_around_a_url_stays(frame, query):
    count = frame.count("{}")
    urls = [signed(PLACE, query)] * count
    assert public_text(frame.format(*urls)) == frame.format(*[PLACE] * count)


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_path_made_from_a_url_has_no_secret(query):
    assert public_text(f"https:/me:SECRET@host/a.tif?{query}") == "https:/host/a.tif"


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("hf://datasets/Major-TOM/Core-S2L2A@v1", "hf://datasets/Major-TOM/Core-S2L2A@v1"),
        ("hf://me:SECRET@datasets/A/B@main", "hf://datasets/A/B@main"),
        ("s3://key:SECRET@bucket/a.tif", "s3://bucket/a.tif"),
        ("tcp://me:SECRET@10.0.0.1:8786", "tcp://10.0.0.1:8786"),
        ("http://[::1]:80/a?sig=SECRET", "http://[::1]:80/a"),
        ("https://me:SEC/RET@host/a", "https://host/a"),
        ("https://me:SECRET", "https://me"),
        ("https://host/a;jsessionid=SECRET/b", "https://host/a/b"),
        ("http://[/x", "http://[/x"),
        ("HTTPS://HOST/a?sig=SECRET", "HTTPS://HOST/a"),
        ("https://host", "https://host"),
        ("folder/a?b#c", "folder/a?b#c"),
    ],
)
def test_the_place_of_a_url_is_kept(url, wanted):
    assert public_url(url) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "https://host/a b.tif?sv=1&sig=SECRET",
        "/vsicurl?url=https%3A%2F%2Fhost%2Fa.tif%3Fsig%3DSECRET%26x=1",
        "GET /a.tif?X-Amz-Signature=SECRET HTTP/1.1",
        "the token hf_SECRETabcdefghijKLMNOPQRSTuvwxyz12 is wrong",
    ],
)
def test_what_is_left_of_a_broken_url_has_no_secret(text):
    assert SECRET not in public_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "s2:/tmp/a#b?c", "key=1 and min(signature)=2", "C:/Users/me@home", "a@b.c", "50 % ?",
        "hf_embedding", "hf_features",
    ],
)  # fmt: skip
def test_other_text_is_unchanged(text):
    assert public_text(text) == text


def test_values_of_json_keep_their_form():
    value = {"a": [1, None, signed(PLACE)], "b": {"c": True}}
    assert public_value(value) == {"a": [1, None, PLACE], "b": {"c": True}}


@pytest.mark.parametrize("scheme", sorted({*QUERIES} - {"unknown", "other-words"}))
def test_a_new_signature_is_the_same_file_and_another_query_another(scheme):
    query = QUERIES[scheme]
    first, again = signed(PLACE, query), signed(PLACE, query.replace(SECRET, "LATER"))
    assert identity_of(first) == identity_of(again) == PLACE
    one, two = (identity_of(f"{PLACE}?file={name}&{query}") for name in "ab")
    assert one != two
    assert one.startswith(f"{PLACE}#")
    assert SECRET not in one


def test_errors_and_provenance_have_no_secret():
    error = InputError(f"expected a folder, found {signed(PLACE)}; give a folder")
    assert str(error) == f"expected a folder, found {PLACE}; give a folder"
    record = Provenance(command="x", options={"a": [signed(PLACE)]}, licences=(signed(PLACE),))
    assert json.loads(record.to_json())["options"] == {"a": [PLACE]}
    assert record.as_dict()["licences"] == [PLACE]


def test_the_provenance_of_options_that_differ_in_a_name_differs():
    records = {
        Provenance(command="sample", options={"spread_over": ["place", name]}).to_json()
        for name in ("hf_embedding", "hf_features", "hf_clusters")
    }
    assert len(records) == 3


@pytest.mark.parametrize("name", ["urllib3.connectionpool", "rasterio._env", "httpx"])
def test_logs_of_libraries_have_no_secret(name, caplog):
    hide_secrets_in_logs()
    hide_secrets_in_logs()
    logger = logging.getLogger(name)
    assert len(logger.filters) == 1
    with caplog.at_level(logging.DEBUG, logger=name):
        logger.warning("Retrying (%r) after %s: %s", 1, signed(PLACE), "/a?verify=SECRET")
    assert caplog.messages == [f"Retrying (1) after {PLACE}: /a"]
