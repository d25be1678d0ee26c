"""Links of pages in the repository, as the site needs them."""

import posixpath
import re
from collections.abc import Callable

ROOT_PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "CODE_OF_CONDUCT.md": "code-of-conduct.md",
    "SECURITY.md": "security.md",
}
"""Files of the repository's root that are pages of the site."""

_LINK = re.compile(r"(\]\(|(?:src|href|srcset)=\")(?![a-z]+:|#|/)([^)#\"\s]+)")
_FENCE = re.compile(r"(^```.*?^```|`[^`\n]+`)", re.MULTILINE | re.DOTALL)


def with_site_links(text: str, source: str, copied: Callable[[str], str]) -> str:
    """Return a page whose links lead to pages and files of the site.

    Args:
        text: The page, as Markdown.
        source: Its path in the repository.
        copied: Called with the path of a file that is linked and not in docs/; returns the path
            of its copy in the site.
    """
    folder = posixpath.dirname(ROOT_PAGES.get(source, source.removeprefix("docs/")))

    def moved(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link[2]))
        if target in ROOT_PAGES:
            there = ROOT_PAGES[target]
        elif target.startswith("docs/"):
            there = re.sub(r"\.ipynb$", ".md", target.removeprefix("docs/"))
        else:
            there = copied(target)
        return link[1] + posixpath.relpath(there, folder or ".")

    parts = _FENCE.split(text)  # code is at the odd places
    parts[::2] = [_LINK.sub(moved, part) for part in parts[::2]]
    return "".join(parts)
