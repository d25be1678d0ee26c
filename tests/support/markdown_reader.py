"""Cards as a Markdown parser reads them."""

from collections import Counter

from markdown_it import MarkdownIt

PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])

HOSTILE = (
    "x</td></table><script>alert(1)</script><img src=http://a.example/p.png>\n\n"
    "# Heading\n\n![image](http://a.example/p.png) [link](http://a.example) <http://a.example>\n"
    "```\n| a | b |\n|---|---|\n> quote\n\n[id]: http://a.example\n&lt;b&gt; `code` **b** _i_ ~~s~~"
)
"""Text of others that tries to become each kind of markup."""


def inlines(text):
    """Return all tokens of a document within its paragraphs, headings and cells."""
    return [
        child for token in PARSER.parse(text) for child in (token.children or [])
    ]  # fmt: skip


def outline(text):
    """Return the document's markup that could mislead or call other servers, and its headings."""
    tokens = PARSER.parse(text)
    found = Counter(token.type for token in [*tokens, *inlines(text)])
    wanted = ("image", "link_open", "html_inline", "html_block", "table_open", "fence", "hr")
    headings = [
        tokens[at + 1].content for at, token in enumerate(tokens) if token.type == "heading_open"
    ]
    return {name: found[name] for name in wanted} | {"headings": len(headings)}


def hostile(value):
    """Return a copy of a value of JSON with hostile text for each text and key in it."""
    if isinstance(value, dict):
        return {f"{key} {HOSTILE}": hostile(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [hostile(item) for item in value]
    return f"{HOSTILE} {value}" if isinstance(value, str) else value
