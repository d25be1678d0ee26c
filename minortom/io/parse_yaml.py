"""YAML of others, parsed: whatever the text is, it is a value or a ``ValueError``."""

from typing import Any

import yaml

from minortom.io.parse import require_depth, too_deep

_MERGE = "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    """Loader of plain values that rejects duplicate keys; YAML itself would use the last one."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ANN401
        """Build a value with all in it, so that one that contains itself is an error."""
        del deep
        return super().construct_object(node, deep=True)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping; raise an error if a key occurs twice."""
        pairs = list(node.value)  # before those of a merge (<<) join them, which may be replaced
        found: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        seen: set[Any] = set()
        for key in (self.construct_object(key) for key, _ in pairs if key.tag != _MERGE):
            if key in seen:
                raise yaml.YAMLError(f"the key {key} occurs twice")
            seen.add(key)
        return found


def parse_yaml(text: str) -> Any:  # noqa: ANN401 - any value of YAML
    """Parse YAML of plain values; a key that occurs twice is an error.

    Raises:
        ValueError: If the text is no YAML, has other values, or is nested too deeply for Python.
    """
    try:
        found = yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader
    except RecursionError:
        raise too_deep() from None
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
    except (LookupError, TypeError, AttributeError) as error:  # a tag that its value does not fit
        raise ValueError(f"a value does not fit its tag ({error})") from None
    require_depth(found)
    return found
