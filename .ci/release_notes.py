"""Print the notes of a release: its section of CHANGELOG.md, without the heading.

Run it as ``python .ci/release_notes.py 0.1.0``.
"""

import re
import sys
from pathlib import Path

CHANGELOG = Path(__file__).parents[1] / "CHANGELOG.md"


def release_notes(version: str, changelog: str) -> str:
    """Return the section of a version in the text of a changelog.

    Raises:
        SystemExit: If the changelog has no such section.
    """
    sections = re.split(r"^## ", changelog, flags=re.MULTILINE)[1:]
    versions = {section.split(maxsplit=1)[0]: section for section in sections}
    if version not in versions:
        sys.exit(
            f"error: expected a version of CHANGELOG.md ({', '.join(versions)}), found {version}"
        )
    return versions[version].partition("\n")[2].strip() + "\n"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("error: expected one version, as in python .ci/release_notes.py 0.1.0")
    sys.stdout.write(release_notes(sys.argv[1], CHANGELOG.read_text(encoding="utf-8")))
