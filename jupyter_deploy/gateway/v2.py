"""The Open Inference Protocol (V2) over JSON, with binary tensors in requests.

A FRAME model takes one tensor for each column, of the shape [rows] or [rows, 1], or, where all its
columns are numbers, one tensor of the shape [rows, columns].  An ARRAY model takes one tensor.
Answers are JSON: "predict", and "probabilities" of a classifier.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from jupyter_deploy.core.contract import Column, Contract, Form, Type
from jupyter_deploy.errors import BadInput, UnsupportedMedia
from jupyter_deploy.gateway import v2_long
from jupyter_deploy.gateway.answers import encode
from jupyter_deploy.gateway.body import media_type
from jupyter_deploy.gateway.decode import Input, careful, pieces, tensors
from jupyter_deploy.gateway.decode.envelope import nan_as_null
from jupyter_deploy.gateway.decode.faults import malformed, misfit
from jupyter_deploy.gateway.dispatch import Reply
from jupyter_deploy.gateway.memory import LOOKED_AT, check_room
from jupyter_deploy.gateway.service import VersionService
from jupyter_deploy.gateway.v2_tensors import (
    Tensor,
    as_output,
    datatype_of,
    flat_values,
    json_size,
    nested,
    split_body,
)

Headers = Mapping[bytes, bytes]
PLATFORM = "jupyter_deploy"
_NUMBERS = (Type.INTEGER, Type.FLOAT)


class _Wanted(msgspec.Struct):
    name: str


class _Request(msgspec.Struct):
    """A request; what it says in `parameters` asks for nothing that we do otherwise."""

    inputs: list[Tensor]
    id: str = ""
    outputs: list[_Wanted] | UnsetType = UNSET
    parameters: Raw | UnsetType = UNSET


_decoder = msgspec.json.Decoder(_Request)


def media(headers: Headers) -> str:
    """JSON or tensors; a request that does not say is taken for JSON.  Raises UnsupportedMedia."""
    if b"content-type" not in headers and b"content-encoding" not in headers:
        return "json"
    kind = media_type({b"content-type": b"application/json", **headers})
    if kind == "csv":
        raise UnsupportedMedia("text/csv")
    return kind


def read(
    service: VersionService, body: bytes, headers: Headers
) -> tuple[Input, Callable[[Reply], bytes]]:
    """The rows of a request, and what encodes its answer.  Raises BadInput."""
    text, binary = split_body(body, json_size(headers))
    request = _parse(text)
    _share_out(request.inputs, binary)
    contract, long = service.route.contract, len(body) >= pieces.LONG_BYTES
    rows = v2_long.rows_of(contract, request.inputs) if long else None
    if rows is None:
        if long:
            check_room(LOOKED_AT * len(body))
        rows = _rows(contract, request.inputs)
    wanted = None if request.outputs is UNSET else [one.name for one in request.outputs]
    return Input(len(rows), rows), lambda reply: _answer(service, request.id, wanted, reply)


def metadata(endpoint: str, service: VersionService, versions: list[str]) -> dict[str, Any]:
    """The model's metadata."""
    contract = service.route.contract
    return {
        "name": endpoint,
        "versions": versions,
        "platform": PLATFORM,
        "inputs": _inputs_of(contract),
        "outputs": _outputs_of(contract),
    }


def _parse(text: bytes) -> _Request:
    if not text.isascii():
        try:
            text.decode()
        except UnicodeDecodeError as error:
            raise malformed(f"byte {error.start} is not UTF-8") from error
    try:
        return _decoder.decode(text)
    except msgspec.ValidationError as error:
        raise BadInput(f"The body is no inference request: {error}.") from error
    except msgspec.DecodeError as error:
        if b"NaN" in text:
            return _parse_strictly(nan_as_null(text))
        raise malformed(str(error)) from error
    except RecursionError as error:
        raise malformed("it is nested too deeply") from error


def _parse_strictly(text: bytes) -> _Request:
    try:
        return _decoder.decode(text)
    except msgspec.DecodeError as error:
        raise malformed(str(error)) from error


def _share_out(inputs: list[Tensor], binary: memoryview) -> None:
    """Give each tensor its part of the binary data.  Raises BadInput."""
    start = 0
    for index, tensor in enumerate(inputs):
        size = tensor.binary_size()
        if size is None:
            continue
        if tensor.data is not UNSET:
            raise misfit(("inputs", index), "either data or binary data", "both")
        tensor.binary = binary[start : start + size]
        start += size
    if start != len(binary):
        raise BadInput(f"The tensors have {start} bytes of binary data, {len(binary)} came.")


def _rows(contract: Contract, inputs: list[Tensor]) -> list[Any]:
    if not inputs:
        raise misfit(("inputs",), "at least one tensor", "none")
    names = [tensor.name for tensor in inputs]
    if len(set(names)) < len(names):
        raise misfit(("inputs",), "tensors of different names", "a name that stands twice")
    match contract.form:
        case Form.FRAME:
            return _frame_rows(contract, inputs)
        case Form.ARRAY:
            assert contract.tensor is not None, "ARRAY has a tensor"
            only = _only(inputs)
            return tensors.read_rows(contract.tensor, nested(only, 0), ("inputs", 0, "data"))
        case Form.ANY:
            return _any_rows(inputs)


def _frame_rows(contract: Contract, inputs: list[Tensor]) -> list[Any]:
    known = {column.name for column in contract.columns}
    if len(inputs) == 1 and inputs[0].name not in known:
        wide = all(column.type in _NUMBERS for column in contract.columns)
        if wide and len(inputs[0].shape) == 2:
            return careful.read_list(contract, nested(inputs[0], 0), ("inputs", 0, "data"))
    data = {tensor.name: _column(tensor, index) for index, tensor in enumerate(inputs)}
    places: dict[str, tuple[str | int, ...]] = {
        tensor.name: ("inputs", index, "data") for index, tensor in enumerate(inputs)
    }
    return careful.read_columns(contract, data, ("inputs",), places)


def _column(tensor: Tensor, index: int) -> list[Any]:
    if len(tensor.shape) not in (1, 2) or (tensor.shape[1:] or [1]) != [1]:
        raise misfit(
            ("inputs", index, "shape"), "[rows] or [rows, 1]", f"{len(tensor.shape)} dimensions"
        )
    return flat_values(tensor, index)


def _any_rows(inputs: list[Tensor]) -> list[Any]:
    if len(inputs) == 1:
        return nested(inputs[0], 0)
    data = {tensor.name: nested(tensor, index) for index, tensor in enumerate(inputs)}
    if len({len(values) for values in data.values()}) > 1:
        raise misfit(("inputs",), "tensors with the same number of rows", "others")
    return [dict(zip(data, row, strict=True)) for row in zip(*data.values(), strict=True)]


def _only(inputs: list[Tensor]) -> Tensor:
    if len(inputs) != 1:
        raise misfit(("inputs",), "one tensor", f"{len(inputs)} tensors")
    return inputs[0]


def _answer(
    service: VersionService, request_id: str, wanted: list[str] | None, reply: Reply
) -> bytes:
    outputs = [
        as_output("predict" if name == "predictions" else name, array[reply.start : reply.stop])
        for name, array in zip(reply.batch.answer.names, reply.batch.answer.arrays, strict=True)
    ]
    if wanted:
        outputs = [output for output in outputs if output["name"] in wanted]
    document = {
        "model_name": service.endpoint,
        "model_version": service.route.version,
        "outputs": outputs,
    }
    if request_id:
        document["id"] = request_id
    return encode(document)


def _inputs_of(contract: Contract) -> list[dict[str, Any]]:
    if contract.form is Form.FRAME:
        return [
            {"name": column.name, "datatype": datatype_of(column), "shape": [-1]}
            for column in contract.columns
        ]
    if contract.tensor is None:
        return [{"name": "input", "datatype": "BYTES", "shape": [-1]}]
    column = Column("input", contract.tensor.type, contract.tensor.dtype)
    shape = [-1, *contract.tensor.shape]
    return [{"name": "input", "datatype": datatype_of(column), "shape": shape}]


def _outputs_of(contract: Contract) -> list[dict[str, Any]]:
    output = contract.output
    wide = {Type.INTEGER: "int64", Type.FLOAT: "float64"}
    predict = Column("predict", output.type, wide.get(output.type, ""))
    outputs: list[dict[str, Any]] = [
        {"name": "predict", "datatype": datatype_of(predict), "shape": [-1, *output.shape]}
    ]
    if output.probabilities:
        shape = [-1, len(output.classes or ())]
        outputs.append({"name": "probabilities", "datatype": "FP64", "shape": shape})
    return outputs
