"""HTML pages: one file each, without network, with the frame and the style that all pages share.

A page extends ``page.html.j2`` and fills its blocks. The frame has the style sheet ``page.css``
with the colours of light and dark mode, a content security policy, and the provenance at the end.
"""

import base64

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, Template


def page_template(package: str, name: str) -> Template:
    """Return the template of a page; it escapes all values.

    Args:
        package: Package that has the template in its folder ``templates``.
        name: File name of the template.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("minortom.plotting")]),
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["minus"] = with_minus
    # Bokeh defines a model at its first occurrence, so the order of the keys must not change.
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
    return environment.get_template(name)


def with_minus(number: str) -> str:
    """Return a formatted number with a minus sign in place of the hyphen.

    In templates it is the filter ``minus``.
    """
    return number.replace("-", "−")


def png_uri(png: bytes) -> str:
    """Return a PNG as a ``data:`` URI."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
