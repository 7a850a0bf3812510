"""The control API's types in TypeScript, made from client/models.py: src/types.ts.

    python labextension/generate_types.py

Rule: src/types.ts is never edited by hand; a test holds it against this file's output.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import sys
import types
import typing
from pathlib import Path

# Of this checkout, also where another copy is installed.
sys.path.insert(0, str(Path(__file__).parents[1]))

from jupyter_deploy.client import figures, models
from jupyter_deploy.core.registered import RegistryModel
from jupyter_deploy.server.about import About
from jupyter_deploy.server.registry_deploys import RegistryDeploy, RegistryOrder

TARGET = Path(__file__).parent / "src" / "types.ts"

#: What the browser reads: every field is there.
ANSWERS: tuple[type, ...] = (
    models.Status,
    models.DeployStatus,
    models.TrafficChanged,
    models.IssuedKey,
    models.RequestFailure,
    models.AuditEntry,
    models.Event,
    figures.EndpointMetrics,
    models.RegistryUi,
    models.TryForm,
    models.TryAnswer,
    RegistryModel,
    About,
    RegistryDeploy,
)
#: What it sends: a default may be left out, and who asks is said by the server.
BODIES: tuple[type, ...] = (
    models.ChangeTraffic,
    models.CreateKey,
    models.RotateKey,
    RegistryOrder,
)
_PLAIN = {str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}
_HEAD = """\
/* Made by generate_types.py from jupyter_deploy/client/models.py: do not edit. */
"""


def render() -> str:
    """The whole of src/types.ts."""
    seen: dict[type, None] = {}
    for model in ANSWERS:
        _collect(model, seen)
    answers = [_interface(model, body=False) for model in seen]
    return "\n".join([_HEAD, *answers, *(_interface(model, body=True) for model in BODIES)])


def _collect(model: type, seen: dict[type, None]) -> None:
    if model in seen:
        return
    for hint in typing.get_type_hints(model).values():
        for part in _dataclasses_in(hint):
            _collect(part, seen)
    seen[model] = None


def _dataclasses_in(hint: object) -> list[type]:
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return [hint]
    return [part for arg in typing.get_args(hint) for part in _dataclasses_in(arg)]


def _interface(model: type, *, body: bool) -> str:
    hints = typing.get_type_hints(model)
    fields = [field for field in dataclasses.fields(model) if not (body and field.name == "origin")]
    lines = [_comment(model), f"export interface {model.__name__} {{"]
    lines += [f"  {_name(field, body=body)}: {_type(hints[field.name])};" for field in fields]
    return "\n".join([*lines, "}", ""])


def _comment(model: type) -> str:
    text = inspect.getdoc(model) or ""
    return f"/** {text.splitlines()[0]} */"


def _name(field: dataclasses.Field[typing.Any], *, body: bool) -> str:
    optional = body and field.default is not dataclasses.MISSING
    return f"{field.name}?" if optional else field.name


def _type(hint: object) -> str:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(_type(arg) for arg in args)
    if origin is typing.Literal:
        return " | ".join(f"'{value}'" for value in args)
    if origin in (tuple, list):
        item = _type(args[0])
        return f"readonly ({item})[]" if " | " in item else f"readonly {item}[]"
    if origin is dict:
        return f"Record<string, {_type(args[1])}>"
    return _class(hint)


def _class(hint: object) -> str:
    if hint in _PLAIN:
        return _PLAIN[typing.cast("type", hint)]
    if isinstance(hint, type) and issubclass(hint, enum.StrEnum):
        return " | ".join(f"'{member.value}'" for member in hint)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return hint.__name__
    return "unknown"


if __name__ == "__main__":
    TARGET.write_text(render())
