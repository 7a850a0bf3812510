"""The outer part of a JSON body: which of the four forms it is, and where its data lies.

The inner parts stay undecoded (`msgspec.Raw`), so that each is read once, by whoever knows its
types.  Two things that no parser tells are checked here: keys that stand twice (all parsers keep
the last one), and text that is not UTF-8 in a part which nobody decodes.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

import msgspec
from msgspec import UNSET, Raw, UnsetType

from jupyter_deploy.errors import BadInput
from jupyter_deploy.gateway.decode.faults import malformed, misfit
from jupyter_deploy.gateway.decode.values import Refused, check_nested

FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
#: Spaces that a body may have outside of its data before it is looked at more closely.  The
#: shortest key that could stand twice ("data":0,) has one byte more.
_SLACK = 8
#: What is wrong with a longer body is told by its keys: as values it takes many times its size.
_MOST_EXPLAINED = 1_000_000
_NAN = re.compile(rb'"(?:[^"\\]|\\.)*"|NaN')
#: How most long bodies begin and end.  What is between is one array if it is what it seems to be.
_LONG = re.compile(
    rb'\s*\{\s*"(?:(dataframe_records|instances|inputs)"\s*:'
    rb'|(dataframe_split)"\s*:\s*\{\s*(?:"columns"\s*:\s*(\[[^\]\\]*\])\s*,\s*)?"data"\s*:)\s*(?=\[)'
)
_END = re.compile(rb"\s*\}\s*")
_END_OF_OBJECT = re.compile(rb"\s*\}\s*\}\s*")
#: A long body with a list for each column: how it begins, and what is between two lists.
_NAME = rb'\s*"(?P<name>[^"\\\x00-\x1f]*)"\s*:\s*(?=\[)'
_LONG_LISTS = re.compile(rb'\s*\{\s*"(?P<form>instances|inputs)"\s*:\s*\{' + _NAME)
_BETWEEN_LISTS = re.compile(rb"\]\s*," + _NAME)
#: What a `dataframe_split` without columns has in their place.
NO_COLUMNS = Raw(b"")


class Split(msgspec.Struct, forbid_unknown_fields=True):
    """`dataframe_split`; the index is read over.  Without columns its rows go by position."""

    data: Raw
    columns: Raw = NO_COLUMNS
    index: Raw | UnsetType = UNSET


class Envelope(msgspec.Struct, forbid_unknown_fields=True):
    """A body."""

    dataframe_split: Split | UnsetType = UNSET
    dataframe_records: Raw | UnsetType = UNSET
    instances: Raw | UnsetType = UNSET
    inputs: Raw | UnsetType = UNSET
    params: Raw | UnsetType = UNSET


_decoder = msgspec.json.Decoder(Envelope)


def open_envelope(body: bytes) -> tuple[str, Envelope]:
    """The form of `body` (one of FORMS) and its parts.  Raises BadInput."""
    if not body.isascii():
        _check_text(body)
    envelope = _read(body)
    form = _only_form(envelope)
    if form is None:
        _explain(body)
    if _spare_bytes(body, form, envelope) > _SLACK:
        envelope = _read_closely(body, form)
    return form, envelope


def open_long(body: bytes) -> tuple[str, Split | Raw] | None:
    """The form of a long body of ASCII, and what is its data if that is one array; else None.

    Nothing in between has been looked at: `open_envelope` reads all of it in one go, and everybody
    waits.
    """
    begin = _LONG.match(body)
    if begin is None or not body.isascii():
        return None
    form, split, columns = begin[1], begin[2], begin[3]
    last = body.rfind(b"]") + 1
    if (_END_OF_OBJECT if split else _END).fullmatch(body, last) is None:
        return None
    data = Raw(memoryview(body)[begin.end() : last])
    if form:
        return form.decode(), data
    return split.decode(), Split(data, Raw(columns) if columns else NO_COLUMNS)


def long_lists(body: bytes) -> tuple[str, dict[str, Raw]] | None:
    """The form of a long body of ASCII with a list for each column, and these by name; else None.

    They have been looked at no more than by `open_long`.
    """
    found = _LONG_LISTS.match(body)
    last = body.rfind(b"]") + 1
    if found is None or not body.isascii() or _END_OF_OBJECT.fullmatch(body, last) is None:
        return None
    view, form = memoryview(body), found["form"].decode()
    lists: dict[str, Raw] = {}
    while found is not None:
        name, start = found["name"].decode(), found.end()
        if name in lists:
            return None
        found = _after_list(body, start, last)
        lists[name] = Raw(view[start : last if found is None else found.start() + 1])
    return form, lists


def _after_list(body: bytes, start: int, last: int) -> re.Match[bytes] | None:
    """What is between the list at `start` and the next one; None when it is the last one."""
    # A search for the pattern itself would let nobody else run until the list is over.
    while (end := body.find(b"]", start, last)) >= 0:
        if found := _BETWEEN_LISTS.match(body, end, last):
            return found
        start = end + 1
    return None


def parameters(envelope: Envelope) -> dict[str, Any] | None:
    """`params`, MLflow's inference parameters.  Raises BadInput."""
    if envelope.params is UNSET:
        return None
    params = plain(envelope.params)
    if not isinstance(params, dict):
        raise BadInput("`params` must be an object.")
    try:
        check_nested(params)
    except Refused as refused:
        raise misfit(("params",), refused.expected, refused.got) from refused
    return params or None


def plain(raw: Raw | bytes) -> Any:
    """The values of a part as they stand; 1e400 becomes infinity.  Raises BadInput.

    The standard library reads it, for its hook that shows keys which stand twice.
    """
    try:
        # As text: of bytes json would guess the encoding.
        return json.loads(str(memoryview(raw), "utf-8"), object_pairs_hook=_unique)
    except RecursionError as error:
        raise malformed("it is nested too deeply") from error
    except json.JSONDecodeError as error:
        reason = error.msg[:1].lower() + error.msg[1:]
        raise malformed(f"{reason} (character {error.pos})") from error
    except ValueError as error:
        if isinstance(error, BadInput):
            raise
        # What is left: an integer of thousands of digits.
        raise BadInput("A number in the body is out of range.") from error


def nan_as_null(body: bytes) -> bytes:
    """`body` with NaN as null.  Python's json, and with it MLflow's client, writes NaN."""
    return _NAN.sub(lambda match: b"null" if match[0] == b"NaN" else match[0], body)


def _read(body: bytes) -> Envelope:
    try:
        return _decoder.decode(body)
    except msgspec.ValidationError:
        _explain(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _malformed(error) from error


def _malformed(error: Exception) -> BadInput:
    if isinstance(error, RecursionError):
        return malformed("it is nested too deeply")
    reason = str(error).removeprefix("JSON is malformed: ")
    return malformed(reason[:1].lower() + reason[1:])


def _only_form(envelope: Envelope) -> str | None:
    found = None
    for form in FORMS:
        if getattr(envelope, form) is not UNSET:
            if found is not None:
                return None
            found = form
    return found


def _spare_bytes(body: bytes, form: str, envelope: Envelope) -> int:
    """How many bytes are neither data nor what this very envelope must have around them."""
    spare = len(body) - len(form) - 5
    if envelope.params is not UNSET:
        spare -= _size(envelope.params) + len(',"params":')
    part = getattr(envelope, form)
    if not isinstance(part, Split):
        return spare - _size(part)
    if part.index is not UNSET:
        spare -= _size(part.index) + len(',"index":')
    if part.columns is not NO_COLUMNS:
        spare -= _size(part.columns) + len(',"columns":')
    return spare - _size(part.data) - len('{"data":}')


def _size(raw: Raw) -> int:
    return memoryview(raw).nbytes


def _read_closely(body: bytes, form: str) -> Envelope:
    compact = msgspec.json.format(body, indent=-1)
    envelope = _read(compact)
    if _spare_bytes(compact, form, envelope) > _SLACK:
        plain(compact)
    return envelope


def _check_text(body: bytes) -> None:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise malformed(f"byte {error.start} is not UTF-8") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise BadInput("A key stands twice in one object of the body.")
    return members


def _members(body: bytes) -> dict[str, Raw] | None:
    """The members of an object, of which nothing is read; None for anything else."""
    try:
        return msgspec.json.decode(body, type=dict[str, Raw])
    except msgspec.ValidationError:
        return None
    except (msgspec.DecodeError, RecursionError) as error:
        raise _malformed(error) from error


def _explain(body: bytes) -> NoReturn:
    """Say what is wrong with an envelope that does not fit.  Raises BadInput."""
    document = _members(body) if len(body) > _MOST_EXPLAINED else plain(body)
    one_of = ", ".join(f"`{form}`" for form in FORMS)
    if not isinstance(document, dict):
        raise BadInput(f"The body must be a JSON object with one of {one_of}.")
    unknown = [name[:80] for name in document if name not in (*FORMS, "params")]
    if unknown:
        raise BadInput(f"The body has a key that is not known: {unknown[0]!r}.")
    if sum(form in document for form in FORMS) != 1:
        raise BadInput(f"The body must have exactly one of {one_of}.")
    raise BadInput("`dataframe_split` must be an object with `data` (and `columns`, `index`).")
