"""One decoder for each version: a body in, an `Input` that fits the contract out."""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from jupyter_deploy.core.contract import Contract, Form, Tensor
from jupyter_deploy.errors import BadInput
from jupyter_deploy.gateway.decode import careful, pieces, tensors
from jupyter_deploy.gateway.decode.anything import read_anything
from jupyter_deploy.gateway.decode.envelope import (
    NO_COLUMNS,
    Envelope,
    Split,
    long_lists,
    nan_as_null,
    open_envelope,
    open_long,
    parameters,
    plain,
)
from jupyter_deploy.gateway.decode.faults import misfit
from jupyter_deploy.gateway.decode.frames import FrameReader
from jupyter_deploy.gateway.decode.long_frames import LongFrames
from jupyter_deploy.gateway.decode.long_tensors import LongTensors
from jupyter_deploy.gateway.decode.rows import Input, Path, Rows
from jupyter_deploy.gateway.decode.table import read_table
from jupyter_deploy.gateway.decode.tensors import TensorReader
from jupyter_deploy.gateway.decode.values import kind
from jupyter_deploy.gateway.memory import LOOKED_AT, check_room

_SPACE = b" \t\r\n"


class InputDecoder:
    """Decodes the bodies of one contract; `whole`: they go to the model in one piece."""

    def __init__(self, contract: Contract, *, whole: bool = False) -> None:
        self._contract = contract
        self._whole = whole
        self._frames = FrameReader(contract) if contract.form is Form.FRAME else None
        self._tensors = TensorReader(contract.tensor) if contract.tensor else None
        self._long: LongFrames | LongTensors | None = None
        if self._frames is not None:
            self._long = LongFrames(contract, self._frames, whole=whole)
        elif contract.tensor is not None:
            self._long = LongTensors(contract.tensor)

    def json(self, body: bytes) -> Input:
        """The rows of a JSON body in one of the four forms.

        Raises BadInput and, for a long body, TooManyValues or ShortOfMemory.
        """
        if len(body) >= pieces.LONG_BYTES and (rows := self._at_once(body)) is not None:
            return Input(len(rows), rows)
        try:
            form, envelope = open_envelope(body)
        except BadInput:
            if b"NaN" not in body:
                raise
            form, envelope = open_envelope(nan_as_null(body))
        rows = self._rows(form, envelope)
        return Input(len(rows), rows, params=parameters(envelope))

    def csv(self, body: bytes) -> Input:
        """The rows of a CSV body.  Raises what `json` raises."""
        rows = read_table(self._contract, body, whole=self._whole)
        return Input(len(rows), rows)

    def _at_once(self, body: bytes) -> Rows | None:
        """The rows of a long body of a usual kind, without an envelope; None when in doubt."""
        if self._long is None:
            return None
        found = open_long(body)
        if found is not None:
            return self._long.read(*found)
        lists = long_lists(body)
        return None if lists is None else self._long.lists(*lists)

    def _rows(self, form: str, envelope: Envelope) -> Rows:
        part = getattr(envelope, form)
        size = memoryview(part.data if isinstance(part, Split) else part).nbytes
        if size < pieces.LONG_BYTES or self._long is None:
            rows = self._fast(form, part)
        else:
            rows = self._long.read(form, part)
        if rows is not None:
            return rows
        if size >= pieces.LONG_BYTES:
            check_room(LOOKED_AT * size)
        if isinstance(part, Split) and part.columns is NO_COLUMNS:
            return self._slow((form, "data"), part.data)
        return self._slow((form,), part)

    def _slow(self, at: Path, part: Split | Raw) -> Rows:
        if self._frames is not None:
            return _slow_frame(self._contract, at, part)
        if self._contract.tensor is not None:
            return _slow_array(self._contract.tensor, at, part)
        return read_anything(at, _plain(part))

    def _fast(self, form: str, part: Split | Raw) -> Rows | None:
        if isinstance(part, Split) and part.columns is NO_COLUMNS:
            part = part.data
        if self._frames is not None:
            return _fast_frame(self._frames, form, part)
        if self._tensors is None:
            return None
        if isinstance(part, Split):
            return self._tensors.split(part.columns, part.data)
        return self._tensors.rows(part)


def _fast_frame(frames: FrameReader, form: str, part: Split | Raw) -> list[tuple[Any, ...]] | None:
    if isinstance(part, Split):
        return frames.split(part.columns, part.data)
    if form == "dataframe_records":
        return frames.records(part)
    head = bytes(memoryview(part)[:64]).translate(None, _SPACE)
    if head[:1] == b"{":
        return frames.columns(part)
    return frames.records(part) if head[1:2] == b"{" else frames.rows(part)


def _slow_frame(contract: Contract, at: Path, part: Split | Raw) -> list[tuple[Any, ...]]:
    if isinstance(part, Split):
        return careful.read_split(contract, plain(part.columns), plain(part.data))
    data = plain(part)
    if at == ("dataframe_records",):
        return careful.read_records(contract, data, at)
    if isinstance(data, dict):
        return careful.read_columns(contract, data, at)
    return careful.read_list(contract, data, at)


def _slow_array(tensor: Tensor, at: Path, part: Split | Raw) -> list[Any]:
    if isinstance(part, Split):
        names = _names(plain(part.columns), (*at, "columns"))
        rows = _rectangle(plain(part.data), len(names), (*at, "data"))
        return tensors.read_columns(tensor, names, rows, (*at, "data"))
    data = plain(part)
    if isinstance(data, dict):
        data = _records(data, at)
    if isinstance(data, list) and data and all(isinstance(row, dict) for row in data):
        names = list(data[0])
        for index, record in enumerate(data):
            if record.keys() != data[0].keys():
                raise misfit((*at, index), "the same members in each row", "other members")
        rows = [[record[name] for name in names] for record in data]
        return tensors.read_columns(tensor, names, rows, at)
    return tensors.read_rows(tensor, data, at)


def _plain(part: Split | Raw) -> Any:
    if isinstance(part, Split):
        return {"columns": plain(part.columns), "data": plain(part.data)}
    return plain(part)


def _names(columns: Any, at: Path) -> list[str]:
    if not isinstance(columns, list):
        raise misfit(at, "array of names", kind(columns))
    return [str(name) for name in columns]


def _rectangle(data: Any, width: int, at: Path) -> list[list[Any]]:
    if not isinstance(data, list):
        raise misfit(at, "array of rows", kind(data))
    for index, row in enumerate(data):
        if not isinstance(row, list) or len(row) != width:
            got = f"{len(row)} values" if isinstance(row, list) else kind(row)
            raise misfit((*at, index), f"array of {width} values", got)
    return data


def _records(data: dict[str, Any], at: Path) -> list[dict[str, Any]]:
    """An object with a list for each column, as a list of objects."""
    lengths = {len(values) if isinstance(values, list) else -1 for values in data.values()}
    if len(lengths) != 1 or -1 in lengths:
        raise misfit(at, "lists of one length, one for each column", "something else")
    count = lengths.pop()
    return [{name: values[row] for name, values in data.items()} for row in range(count)]
