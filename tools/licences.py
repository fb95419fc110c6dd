"""Lists the licences of everything shipped, and checks them: ``python -m tools.licences``; ``--check`` lists nothing.

Shipped is what ``pip install eventstreams`` installs with all extras, as in the image, but not what only tests and
tools use.
"""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_NOT_SHIPPED: Final = frozenset({"testing", "java"})  # pytest; a Java (GPL), which users download themselves
_FREE: Final = re.compile(
    r"apache|\bmit\b|bsd|\bisc\b|python software foundation|psf|0bsd|unlicense|public domain|zlib|mozilla|mpl",
    re.IGNORECASE,
)
_NOT_FREE: Final = re.compile(r"gpl|sspl|busl|commons clause|proprietary|commercial", re.IGNORECASE)
# Reviewed one by one: copyleft libraries that are used unchanged as separate packages, and BSD under another name.
_LOOKED_AT: Final = {
    "pygal": "OSI Approved :: GNU Lesser General Public License v3 or later (LGPLv3+)",
    "psycopg": "LGPL-3.0-only",
    "psycopg-binary": "LGPL-3.0-only",
    "venusian": "Repoze Public License",
}
_MARK: Final = "License :: "


def main() -> None:
    wrong = []
    for found in sorted(shipped(), key=lambda each: each.metadata["Name"].lower()):
        name, licence = canonicalize_name(found.metadata["Name"]), licence_of(found)
        free = _FREE.search(licence) is not None and _NOT_FREE.search(licence) is None
        if not free and _LOOKED_AT.get(name) != licence:
            wrong.append(f"{name} {found.version}: {licence or 'says no licence'}")
        if "--check" not in sys.argv:
            print(f"{name:28} {found.version:14} {licence}")
    if wrong:
        sys.exit("licences that nobody has allowed:\n" + "\n".join(wrong))


def shipped() -> Iterator[Distribution]:
    """All installed distributions that ``eventstreams`` needs with its extras."""
    seen: set[tuple[str, str]] = set()
    extras = set(distribution("eventstreams").metadata.json.get("provides_extra", ())) - _NOT_SHIPPED
    left = [("eventstreams", extra) for extra in ("", *sorted(extras))]
    told: set[str] = set()
    while left:
        name, extra = wanted = left.pop()
        if wanted in seen:
            continue
        seen.add(wanted)
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue  # only needed on another system
        if name not in told and name != "eventstreams":
            told.add(name)
            yield found
        for each in map(Requirement, found.requires or ()):
            if each.marker is None or each.marker.evaluate({"extra": extra}):
                left += [(canonicalize_name(each.name), inner) for inner in ("", *each.extras)]


def licence_of(found: Distribution) -> str:
    """What a package states about its licence, in one line."""
    about = found.metadata.json
    classifiers = [each.removeprefix(_MARK) for each in about.get("classifier", ()) if each.startswith(_MARK)]
    text = str(about.get("license_expression") or "; ".join(classifiers) or about.get("license") or "")
    return text.strip().splitlines()[0][:100] if text.strip() else ""


if __name__ == "__main__":
    main()
