"""Templates and phrases of captions: those beside this file, and a user's own."""

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from minortom.errors import InputError
from minortom.io.delimited import read_text
from minortom.io.parse_yaml import parse_yaml
from minortom.io.schema import list_of, map_of, optional, record, text

GENERAL = ("landcover", "climate", "hemisphere", "season", "shares", "descriptor")
"""Placeholders that need no column of their name."""
_FILE = record(
    templates=optional(list_of(text)), held_out=optional(list_of(text)),
    phrases=optional(map_of(map_of(list_of(text)))),
)  # fmt: skip
_KEYS = ("templates", "held_out", "phrases")


@dataclass(frozen=True, kw_only=True)
class Phrases:
    """Templates of captions, and phrases of the values of columns."""

    templates: tuple[str, ...]
    """Templates of the sentences to train on."""
    held_out: tuple[str, ...]
    """Templates of the sentences to validate with."""
    by_value: Mapping[str, Mapping[str, Sequence[str]]]
    """Phrases by column and value."""

    @classmethod
    def read(cls, path: Path | None = None) -> "Phrases":
        """Return the phrases of this package, and those of a file in addition.

        Args:
            path: YAML file with `templates`, `held_out` and `phrases`; none when None.

        Raises:
            InputError: If the file cannot be read, or has other content.
        """
        own = files("csmoe_model.text").joinpath("words.yaml").read_text(encoding="utf-8")
        found = _phrases(parse_yaml(own))
        if path is None:
            return found
        try:
            content = parse_yaml(read_text(path))
            _FILE(content, "")
        except ValueError as error:
            raise InputError(
                f"expected a YAML file with {', '.join(_KEYS)}, cannot read {path} ({error}); "
                "correct it"
            ) from None
        unknown = [key for key in content if key not in _KEYS]
        if unknown:
            raise InputError(
                f"expected the keys {', '.join(_KEYS)} in {path}, found {', '.join(unknown)}; "
                "correct them"
            )
        return found.with_more(_phrases(content))

    def with_more(self, more: "Phrases") -> "Phrases":
        """Return these and further templates and phrases, each once."""
        by_value: dict[str, dict[str, list[str]]] = {}
        for source in (self.by_value, more.by_value):
            for column, values in source.items():
                for value, phrases in values.items():
                    by_value.setdefault(column, {}).setdefault(value, []).extend(phrases)
        return Phrases(
            templates=tuple(dict.fromkeys((*self.templates, *more.templates))),
            held_out=tuple(dict.fromkeys((*self.held_out, *more.held_out))),
            by_value={
                column: {value: tuple(dict.fromkeys(said)) for value, said in values.items()}
                for column, values in by_value.items()
            },
        )

    def check(self, columns: Sequence[str]) -> None:
        """Check that each placeholder is general or the name of a column.

        Raises:
            InputError: If one is neither.
        """
        known = dict.fromkeys((*GENERAL, *self.by_value, *columns))
        for template in (*self.templates, *self.held_out):
            for name in placeholders(template):
                if name not in known:
                    raise InputError(
                        f"expected placeholders among {', '.join(known)}, found {{{name}}} in the "
                        f"template {template!r}; correct it, or add its column with --annotated"
                    )

    def of(self, column: str, value: str) -> tuple[str, ...]:
        """Return the phrases of a value of a column, the name of the value by default."""
        known = self.by_value.get(column, {}).get(value)
        return tuple(known) if known else (value.replace("_", " "),)


def placeholders(template: str) -> list[str]:
    """Return the names of the placeholders of a template, in order.

    Raises:
        InputError: If a brace is not closed, or a placeholder has more than a name.
    """
    try:
        fields = list(string.Formatter().parse(template))
    except ValueError as error:
        raise _not_a_template(template, str(error)) from None
    for _, name, form, conversion in fields:
        if name is not None and (not name.isidentifier() or form or conversion):
            raise _not_a_template(template, f"the placeholder {name!r} is no plain name")
    return [name for _, name, _, _ in fields if name is not None]


def _not_a_template(template: str, found: str) -> InputError:
    return InputError(
        f"expected text with placeholders such as {{landcover}}, found the template {template!r} "
        f"({found}); correct it"
    )


def _phrases(content: Mapping[str, Any]) -> Phrases:
    return Phrases(
        templates=tuple(content.get("templates") or ()),
        held_out=tuple(content.get("held_out") or ()),
        by_value=content.get("phrases") or {},
    )
