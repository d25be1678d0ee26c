"""Check of a built site: its pages load nothing from the network."""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

_ELSEWHERE = re.compile(r"\s*(?:[a-z]+:)?//", re.IGNORECASE)
_IN_STYLE = re.compile(r"(?:url\(|@import)\s*['\"]?((?:[a-z]+:)?//[^'\")\s]+)", re.IGNORECASE)


class _Loads(HTMLParser):
    """Collect the addresses elsewhere that a browser loads by itself; links do not count."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            text = value or ""
            is_loaded = name in ("src", "srcset", "poster", "data") or (tag, name) == (
                "link",
                "href",
            )
            if is_loaded and _ELSEWHERE.match(text):
                self.found.append(text.strip())
            if name == "style":
                self.found += _IN_STYLE.findall(text)


def network_loads(text: str, suffix: str) -> list[str]:
    """Return the addresses that a page or a style sheet loads from the network.

    Args:
        text: Content of the file.
        suffix: `.html` or `.css`.
    """
    found = _IN_STYLE.findall(text) if suffix == ".css" else []
    if suffix == ".html":
        page = _Loads()
        page.feed(text)
        found = page.found + [
            address
            for style in re.findall(r"<style[^>]*>(.*?)</style>", text, re.DOTALL)
            for address in _IN_STYLE.findall(style)
        ]
    return found


def main(site: Path) -> int:
    """Print what pages load from the network; return 1 if there is anything."""
    pages = [path for path in sorted(site.rglob("*")) if path.suffix in (".html", ".css")]
    bad = [
        f"{path}: loads {address}"
        for path in pages
        for address in network_loads(path.read_text(encoding="utf-8"), path.suffix)
    ]
    print("\n".join([*bad, f"{len(pages)} pages and style sheets, {len(bad)} network addresses"]))  # noqa: T201
    return 1 if bad or not pages else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
