"""Check of the user's settings for the Hugging Face hub."""

import os
from urllib.parse import urlsplit

from minortom.errors import InputError


def require_hub_settings(token: str | None = None) -> None:
    """Check the token and the address of the hub before the first request.

    Args:
        token: Token of an argument; that of ``HF_TOKEN`` or of ``hf auth login`` when None.

    Raises:
        InputError: If the token has characters that no request can have, or ``HF_ENDPOINT`` is
            not a URL. The message does not show the token.
    """
    from huggingface_hub import get_token

    used = token or get_token() or ""
    if not all("!" <= letter <= "~" for letter in used):
        raise InputError(
            "expected letters, digits and signs of ASCII in the access token of the hub, found "
            "another character; copy the token again (HF_TOKEN or `hf auth login`)"
        )
    endpoint = os.environ.get("HF_ENDPOINT", "https://")
    try:
        is_web = urlsplit(endpoint).scheme in ("http", "https")
    except ValueError:
        is_web = False
    if not is_web:
        raise InputError("HF_ENDPOINT must be a URL such as https://host; correct or unset it")
