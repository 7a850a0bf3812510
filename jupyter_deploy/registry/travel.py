"""What travels with a model: classes and functions by value, packages by name and version.

Rule 1: what is defined in the notebook, or in a module beside it, is in no package that a replica
could import, so it travels by value.  Rule 2: everything else travels as a pinned requirement.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import re
import sys
import sysconfig
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import cloudpickle

from jupyter_deploy.registry import packages

_OWN, _OWN_PACKAGE = "jupyter_deploy", "jupyterlab-deploy"
_NOTEBOOK = ("__main__", "__mp_main__")
_MODULE_NAME = re.compile(rb"[A-Za-z_][\w.]{1,200}")
_ALWAYS = ("mlflow", "cloudpickle")
_MAX_BYTES_SEARCHED = 64 << 20
_INSTALLED = {"site-packages", "dist-packages"}


def local_modules() -> dict[str, ModuleType]:
    """The imported modules (top level) that no package and not the standard library brought."""
    return {
        name: module
        for name, module in list(sys.modules.items())
        if "." not in name and name not in _NOTEBOOK and name != _OWN and _is_local(module)
    }


def is_local(type_name: str) -> bool:
    """Whether "package.module.Class" is defined in the notebook or in a module beside it."""
    top = type_name.partition(".")[0]
    return top in _NOTEBOOK or top in local_modules()


@contextlib.contextmanager
def by_value() -> Iterator[None]:
    """Inside, cloudpickle writes classes and functions of local modules by value."""
    known = cloudpickle.list_registry_pickle_by_value()
    added = [module for name, module in local_modules().items() if name not in known]
    for module in added:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in added:
            cloudpickle.unregister_pickle_by_value(module)


def modules_in(data: bytes) -> set[str]:
    """The imported modules (top level) that a pickle or skops file names."""
    # A pickle may hold an archive; one of skops is one.
    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            data = archive.read("schema.json")
    found = _MODULE_NAME.findall(data[:_MAX_BYTES_SEARCHED])
    words = {word.partition(b".")[0] for word in found}
    return {name for name in sys.modules if "." not in name and name.encode() in words}


def requirements(modules: Iterable[str], installed: Mapping[str, str]) -> list[str]:
    """Pins for the packages that `modules` come from, and for those that loading needs."""
    pins = packages.requirements({*modules, *_ALWAYS}, installed)
    return [pin for pin in pins if pin.partition("==")[0] != _OWN_PACKAGE]


def lock(installed: Mapping[str, str]) -> str:
    """The exact versions of all packages of an environment, one a line."""
    return "".join(f"{name}=={version}\n" for name, version in sorted(installed.items()))


def culprit(subject: Any) -> str | None:
    """What in `subject` cannot be pickled, in words; None when nothing single can be blamed."""
    if isinstance(subject, FunctionType):
        return _culprit_of_function(subject, set())
    for name, value in list(getattr(subject, "__dict__", {}).items()):
        if not _travels(value):
            return f"its attribute `{name}` ({_kind(value)}) cannot travel"
    return None


def _culprit_of_function(function: FunctionType, seen: set[int]) -> str | None:
    seen.add(id(function))
    used = inspect.getclosurevars(function)
    for place, values in (("global", used.globals), ("variable", used.nonlocals)):
        for name, value in values.items():
            if isinstance(value, FunctionType) and id(value) not in seen:
                found = _culprit_of_function(value, seen)
                if found is not None:
                    return found
            if not _travels(value):
                return (
                    f"the function uses the {place} `{name}` ({_kind(value)}), which cannot travel"
                )
    return None


def _travels(value: Any) -> bool:
    try:
        with by_value():
            cloudpickle.dumps(value)
    except Exception:  # noqa: BLE001 - objects raise what they like when pickled
        return False
    return True


def _kind(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")


def _is_local(module: ModuleType) -> bool:
    path = _place(module)
    if path is None:
        return False
    if _INSTALLED & set(path.parts):
        return False
    return not any(path.is_relative_to(folder) for folder in _library_folders())


def _place(module: ModuleType) -> Path | None:
    """The module's source file, or the folder of a package without __init__.py."""
    file = getattr(module, "__file__", None)
    if isinstance(file, str):
        return Path(file) if file.endswith(".py") else None
    folders = list(getattr(module, "__path__", ()))
    return Path(folders[0]) if folders and isinstance(folders[0], str) else None


@cache
def _library_folders() -> tuple[Path, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return tuple({Path(sysconfig.get_path(name)) for name in names})
