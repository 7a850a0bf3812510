"""The packages of this environment: which versions are installed, and which modules they brought.

`importlib.metadata` answers both, by parsing each package's metadata as an e-mail and making a path
object of each file that it brought, several times over: seconds in an environment of some size.
Here the same texts are read once and no further than is needed.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import Distribution

_NAME = re.compile(r"^Name:[ \t]*(\S+)", re.MULTILINE)
_VERSION = re.compile(r"^Version:[ \t]*(\S+)", re.MULTILINE)
#: The first part of what RECORD (PEP 376) calls a module's file.
_MODULE = re.compile(r'^"?([A-Za-z_]\w*)(?:/|\.py,|\.[\w.-]*?(?:so|pyd),)', re.MULTILINE)


def installed() -> dict[str, str]:
    """The packages of this environment, by normalised name (PEP 503), and their versions."""
    found: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        head = _head(distribution)
        name, version = _NAME.search(head), _VERSION.search(head)
        if name and version:
            # The first one on the path is the one that is imported.
            found.setdefault(normal(name[1]), version[1])
    return found


def requirements(modules: Iterable[str], versions: Mapping[str, str]) -> list[str]:
    """Pins for the packages among `versions` that `modules` (top level) come from."""
    wanted = set(modules)
    pins = set()
    for distribution in importlib.metadata.distributions():
        if wanted.isdisjoint(_modules(distribution)):
            continue
        name = _NAME.search(_head(distribution))
        if name and normal(name[1]) in versions:
            pins.add(f"{normal(name[1])}=={versions[normal(name[1])]}")
    return sorted(pins)


def normal(name: str) -> str:
    """`name` as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _head(distribution: Distribution) -> str:
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    return text.partition("\n\n")[0]


def _modules(distribution: Distribution) -> Iterator[str]:
    """The top level modules that a package says it has, or else those of its files."""
    declared = distribution.read_text("top_level.txt")
    if declared:
        return iter(declared.split())
    record = distribution.read_text("RECORD")
    if record is None:
        return iter({path.parts[0].partition(".")[0] for path in distribution.files or ()})
    return (match[1] for match in _MODULE.finditer(record))
