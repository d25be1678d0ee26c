"""URLs without secrets: scheme, host and path, for everything that is written or printed.

A signed URL has its secret in the query (`X-Amz-Signature`, `sig`, `temp_url_sig` …) or before the
host (`https://user:password@host`). The schemes have no common rule, so that the whole query, the
fragment and the user part are left out.
"""

import hashlib
import logging
import re
from collections.abc import Mapping

HIDDEN = "***"

_URL = re.compile(
    r"""(?ix) (?<![a-z0-9+.-])
    (?P<scheme> [a-z][a-z0-9+.-]*:// | (?:https?|hf|s3|gs|gcs|az|abfss?|oss|ftps?):/ )
    (?P<host> [^\s/?#"<>]* )
    (?P<path> [^\s?#"<>]* )
    (?P<rest> [?#] (?: (?! [,;|] [a-z][a-z0-9+.-]*:/ ) [^\s"<>] )*?
        (?= [;:,.)\]}'`]* (?: [\s"<>] | $ ) | [,;|] [a-z][a-z0-9+.-]*:/ ) )?
    """
)
"""A URL in a text. A path of Python has one slash after the scheme: ``https:/host/a.tif``."""
_PARAMETERS = re.compile(r";[\w.-]+=[^\s/?#]*")
"""Parameters of a part of a path, such as ``;jsessionid=1``."""
_PORT = re.compile(r"[^:]*(?::\d*)?|\[[0-9A-Fa-f:.]+\](?::\d*)?")
_SIGNING = re.compile(
    r"""(?ix)
    (?: x-(?:amz|goog|oss|obs|cos)- | temp_url_ | q- | hdn ) .*
    | expires | policy | verify | auth | authorization | jwt | sas | session | code | pass | pwd
    | [\w.-]* (?: sig | signature | credential | token | secret | passw | key | accessid ) [\w.-]*
    """
)
"""Names of parameters that sign a URL or name its user; they say nothing about the file."""
_AZURE = re.compile(
    "sv|ss|srt|sp|se|st|spr|sr|si|sip|skoid|sktid|skt|ske|sks|skv|sdd|saoid|suoid|scid"
)
"""Names of parameters that stand beside ``sig`` in a shared access signature of Azure."""
_PAIR = re.compile(
    r"""(?ix)
    ( (?: [?&] | %3f | %26 )
      (?: x-(?:amz|goog|oss)-[\w-]+ | sig | temp_url_\w+
        | [\w.-]* (?: signature | credential | token | secret | passw | key ) [\w.-]* )
    | --(?: token | secret | password | api-key )
    ) (=|%3d) [^\s&"'<>;,)]+
    """
)
"""A secret in text that is no well-formed URL, such as the part of a URL after a space."""
_HUB_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{30,}")
"""A token of the hub: 34 letters and digits after the prefix. A name of a column, such as
``hf_embedding``, is shorter and is no secret."""
_DIGITS = 16


def public_url(url: str) -> str:
    """Return the scheme, the host and the path of a URL; of another text, the text itself.

    A revision on the hub is in the path (``hf://datasets/OWNER/NAME@REVISION``) and stays.
    """
    found = re.match(r"(?i)([a-z][a-z0-9+.-]*:/{1,2})([^/?#]*)([^?#]*)", url)
    if not found:
        return url
    scheme, host, path = found.groups()
    host = host.rpartition("@")[2]
    if not _PORT.fullmatch(host):
        # A password with a slash ends the host too early, and the rest has the @.
        whole = path if "@" in path else host.partition(":")[0] + path
        host, mark, path = whole.rpartition("@")[2].partition("/")
        path = mark + path
    return scheme + host + _HUB_TOKEN.sub(HIDDEN, _PARAMETERS.sub("", path))


def public_text(text: str) -> str:
    """Return a text with every URL as ``public_url`` has it, and without other secrets.

    Other secrets are tokens of the hub, and pairs such as ``sig=…`` and ``password=…``.
    """
    text = _URL.sub(lambda found: public_url(found[0]), text)
    return _HUB_TOKEN.sub(HIDDEN, _PAIR.sub(rf"\1\2{HIDDEN}", text))


def public_value(value: object) -> object:
    """Return a value of JSON with ``public_text`` for each text in it."""
    if isinstance(value, str):
        return public_text(value)
    if isinstance(value, Mapping):
        return {key: public_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [public_value(item) for item in value]
    return value


def identity_of(url: str) -> str:
    """Return a text that differs for URLs of different files, without secrets.

    It is the public URL. Where the query has more than a signature, such as ``?file=a.tif``, a hash
    of the rest follows, so that the same file with a new signature is the same text.
    """
    query = url.partition("?")[2].partition("#")[0]
    named = [(pair.partition("=")[0].lower(), pair) for pair in query.split("&") if pair]
    is_azure = any(name == "sig" for name, _ in named)
    pairs = sorted(
        pair
        for name, pair in named
        if not _SIGNING.fullmatch(name) and not (is_azure and _AZURE.fullmatch(name))
    )
    if not pairs:
        return public_url(url)
    digest = hashlib.sha256("&".join(pairs).encode()).hexdigest()
    return f"{public_url(url)}#{digest[:_DIGITS]}"


class _Public(logging.Filter):
    """Removes secrets from the log of a library; the log of urllib3 has a URL without its host."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change a record; keep it."""
        text = public_text(record.getMessage())
        record.msg, record.args = re.sub(r"(?<=[\w/.-])\?[^\s'\"]+", "", text), None
        return True


_FILTER = _Public()
_LOGGERS = ("urllib3.connectionpool", "urllib3.util.retry", "httpx", "rasterio._env", "fsspec")


def hide_secrets_in_logs() -> None:
    """Remove the secrets of URLs from the logs of the libraries that read them."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)  # does nothing the second time
