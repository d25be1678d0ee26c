"""Downloads over HTTP from a server that fails on purpose."""

from dataclasses import replace

import pytest

from minortom.errors import RemoteError
from minortom.remote import http
from minortom.remote.byte_ranges import read_range
from minortom.remote.http import cache_folder, download, is_url, mirrored, open_session

CONTENT = bytes(range(256)) * 16_384


@pytest.fixture
def file(web_server):
    """The address of a file of 4 MiB, more than a socket's buffers hold."""
    (web_server.folder / "file.bin").write_bytes(CONTENT)
    return f"{web_server.url}/file.bin"


def test_a_download_is_complete_and_reports_progress(file, tmp_path):
    told = []
    download(file, tmp_path / "new" / "out", on_progress=lambda *now: told.append(now))
    assert (tmp_path / "new" / "out").read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert told == sorted(told)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_temporary_errors_are_retried(web_server, file, tmp_path, status):
    web_server.fail("/file.bin", status=status, times=4)
    download(file, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("status", "asked", "message"),
    [
        (404, 1, "the file does not exist (HTTP 404); check the address"),
        (403, 1, "the server refuses access (HTTP 403); check the address and your rights"),
        (429, 7, "the server still reports too many requests (HTTP 429); wait some minutes"),
        (503, 7, "the server fails repeatedly (HTTP 503); wait some minutes"),
        (204, 1, "the server answers with HTTP 204 instead of the file; check the address"),
    ],
)
def test_lasting_errors_are_one_line_and_leave_no_file(
    web_server, file, tmp_path, status, asked, message
):
    web_server.fail("/file.bin", status=status)
    with pytest.raises(RemoteError) as raised:
        download(file, tmp_path / "new" / "out")
    assert f"{file}: {message}" in str(raised.value)
    assert len(web_server.requests) == asked
    assert not (tmp_path / "new").exists()


def test_the_wait_of_retry_after_is_respected(web_server, file, tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr("time.sleep", waits.append)
    web_server.fail("/file.bin", status=429, times=1, retry_after=17)
    web_server.fail("/file.bin", status=503, times=1, retry_after=86_400)
    download(file, tmp_path / "out")
    assert [wait for wait in waits if wait >= 1] == [17, 300]


def test_a_cut_download_is_resumed(web_server, file, tmp_path):
    web_server.fail("/file.bin", cut_after=3 << 20, times=1)
    web_server.fail("/file.bin", cut_after=0, times=1)
    download(file, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == CONTENT
    asked = [request.headers.get("range") for request in web_server.requests]
    assert asked == [None, "bytes=3145728-", "bytes=3145728-"]


def test_a_file_that_changes_after_a_cut_is_downloaded_again(
    web_server, file, tmp_path, monkeypatch
):
    web_server.fail("/file.bin", cut_after=3_000_000, times=1)
    real, new = http.send_request, bytes(4_000_000)

    def changing(*arguments, headers, **more):
        if headers:
            (web_server.folder / "file.bin").write_bytes(new)
        return real(*arguments, headers=headers, **more)

    monkeypatch.setattr(http, "send_request", changing)
    download(file, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == new


@pytest.mark.parametrize("lacking", ["etags", "ranges"])
def test_a_download_starts_again_if_the_server_cannot_resume_it(
    web_server, file, tmp_path, lacking
):
    setattr(web_server, lacking, False)
    web_server.fail("/file.bin", cut_after=3_000_000, times=2)
    download(file, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == CONTENT
    assert len(web_server.requests) == 3


def test_a_connection_that_is_always_cut_is_one_line(web_server, file, tmp_path):
    web_server.fail("/file.bin", cut_after=10)
    with pytest.raises(RemoteError, match=r"file\.bin: the connection was cut 7 times; wait"):
        download(file, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_end_of_a_file_is_complete_after_a_cut(web_server, file):
    web_server.fail("/file.bin", cut_after=100_000, times=1)
    with open_session() as session:
        data, size = read_range(session, file, -200_000, None)
    assert (len(data), size) == (200_000, len(CONTENT))
    assert data == CONTENT[-200_000:]


def test_a_body_that_ends_too_early_is_noticed_with_an_old_urllib3(
    web_server, file, tmp_path, monkeypatch
):
    lenient = property(lambda _: False, lambda *_: None)
    monkeypatch.setattr("urllib3.HTTPResponse.enforce_content_length", lenient, raising=False)
    web_server.fail("/file.bin", cut_after=3 << 20, times=1)
    download(file, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == CONTENT
    assert len(web_server.requests) == 2


def test_a_server_that_never_answers_is_one_line(web_server, file, tmp_path, monkeypatch):
    hasty = replace(http.RETRY_POLICY, timeout_s=(0.2, 0.2), connection_retries=1)
    monkeypatch.setattr(http, "RETRY_POLICY", hasty)
    web_server.fail("/file.bin")
    with pytest.raises(RemoteError, match=r"file\.bin: 127\.0\.0\.1:\d+ does not answer in time"):
        download(file, tmp_path / "out")


@pytest.mark.usefixtures("web_server")
def test_a_refused_connection_and_an_unknown_host_are_one_line_each(tmp_path):
    with pytest.raises(RemoteError, match=r"^http://127\.0\.0\.1:9/a: 127\.0\.0\.1:9 refuses"):
        download("http://127.0.0.1:9/a", tmp_path / "out")
    with pytest.raises(RemoteError, match="the host nowhere.invalid does not exist; check"):
        download("http://nowhere.invalid/a", tmp_path / "out")
    with pytest.raises(RemoteError, match="^ftp://host/a: the address must begin with http://"):
        download("ftp://host/a", tmp_path / "out")


@pytest.mark.parametrize("url", ["http://[/x", "https://a:b@[::/x", "http://a:999999/x"])
def test_a_url_that_is_none_is_one_line(url, tmp_path):
    with pytest.raises(RemoteError, match=r"is not a valid address \(.*\); correct it$"):
        download(url, tmp_path / "to")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_stays_when_a_download_fails(web_server, file, tmp_path):
    (tmp_path / "out").write_text("old")
    web_server.fail("/file.bin", cut_after=10)
    with pytest.raises(RemoteError):
        download(file, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "old"


def test_no_secret_of_a_url_is_shown(web_server, tmp_path):
    secret = web_server.url.replace("//", "//me:geheim@") + "/none?X-Amz-Signature=geheim#geheim"
    with pytest.raises(RemoteError) as raised:
        download(secret, tmp_path / "out")
    assert str(raised.value).startswith(f"{web_server.url}/none: the file does not exist")
    assert "geheim" not in str(raised.value)
    assert web_server.requests[0].query == "X-Amz-Signature=geheim"


def test_a_mirror_replaces_every_host(web_server, tmp_path, monkeypatch):
    (web_server.folder / "kept" / "example.org").mkdir(parents=True)
    (web_server.folder / "kept" / "example.org" / "a.bin").write_bytes(b"mirrored")
    monkeypatch.setenv("MINORTOM_MIRROR", f"{web_server.url}/kept/")
    download("https://me:secret@example.org/a.bin?b=c", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"mirrored"
    there = mirrored("https://example.org/a.bin")
    assert there == f"{web_server.url}/kept/example.org/a.bin"
    assert mirrored(there) == there
    with pytest.raises(RemoteError, match=r"^https://example\.org/b: the file does not exist"):
        download("https://example.org/b", tmp_path / "out")
    monkeypatch.setenv("MINORTOM_MIRROR", "/a/folder")
    with pytest.raises(RemoteError, match="MINORTOM_MIRROR must be a URL such as"):
        mirrored("https://example.org/a.bin")


def test_without_a_mirror_a_url_stays_as_it_is(monkeypatch):
    monkeypatch.delenv("MINORTOM_MIRROR", raising=False)
    assert mirrored("https://example.org/a?b") == "https://example.org/a?b"


@pytest.mark.parametrize("text", ["http://a/b", "HTTPS://a/b", "hf://datasets/a/b"])
def test_urls_are_distinguished_from_paths(text):
    assert is_url(text)
    assert not is_url(f"./{text}")
    assert not is_url("archive")


def test_the_user_chooses_the_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MINORTOM_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("MINORTOM_CACHE")
    assert cache_folder().name == "minortom"
