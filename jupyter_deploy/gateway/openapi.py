"""The OpenAPI 3.1 document of one endpoint, made from its contract.  Pure.

Rule: what it says is what the gateway does: the schema of a column is the check of the column, and
the example is a request that was answered when the version was proven, or, where there was no
sample, one that the contract accepts (and the document says that it is made up).
"""

from __future__ import annotations

from typing import Any

import msgspec

from jupyter_deploy.core.contract import Column, Contract, Form, Output, Tensor, Type
from jupyter_deploy.core.snapshot import VersionRoute
from jupyter_deploy.errors import (
    BadInput,
    DeadlineExceeded,
    Forbidden,
    MethodNotAllowed,
    ModelFailed,
    NoReplica,
    OverLimit,
    RequestError,
    RequestTimeout,
    TooLarge,
    Unauthorized,
    UnknownRoute,
    UnsupportedMedia,
)
from jupyter_deploy.gateway.decode.values import categories, element, integer_range
from jupyter_deploy.gateway.example import made_example

Schema = dict[str, Any]
_ERRORS: tuple[type[RequestError], ...] = (
    BadInput, Unauthorized, Forbidden, UnknownRoute, MethodNotAllowed, RequestTimeout, TooLarge,
    UnsupportedMedia, OverLimit, ModelFailed, NoReplica, DeadlineExceeded,
)  # fmt: skip
_PROBLEM: Schema = {
    "type": "object",
    "description": "A problem document (RFC 9457).",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "description": "The request's id."},
        "fix": {"type": "string", "description": "What to do about it."},
        "errors": {
            "type": "array",
            "description": "One entry for each value that is wrong, 20 at most.",
            "items": {
                "type": "object",
                "required": ["expected", "got", "message"],
                "properties": {
                    "pointer": {"type": "string", "description": "JSON Pointer into the body."},
                    "line": {"type": "integer", "description": "Line of a CSV body."},
                    "column": {"type": "string"},
                    "row": {"type": "integer", "description": "Counted from 0."},
                    "expected": {"type": "string"},
                    "got": {"type": "string", "description": "The kind of what came."},
                    "message": {"type": "string"},
                },
            },
        },
    },
}


def document(endpoint: str, route: VersionRoute, url: str, root: str) -> dict[str, Any]:
    """The document of `route` as it is served under `root` at `url`."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{endpoint} {route.version}",
            "version": route.version,
            "description": f"Predictions of {endpoint}, MLflow model version "
            f"{route.mlflow_version}.",
        },
        "servers": [{"url": url}],
        "security": [{"key": []}, {"header": []}, {"basic": []}],
        "paths": {
            f"{root}/invocations": {"post": _invocations(route)},
            f"{root}/ping": {"get": _probe("ping", "Whether a request would be answered now.")},
            f"{root}/version": {"get": _probe("version", "The version of MLflow.")},
        },
        "components": {
            "schemas": {
                "Problem": _PROBLEM,
                "Request": request_schema(route.contract),
                "Answer": answer_schema(route.contract.output),
            },
            "responses": {kind.code: _error(kind) for kind in _ERRORS},
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "basic": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "The key as password or as user name.",
                },
            },
        },
    }


def request_schema(contract: Contract) -> Schema:
    """What a JSON body may be: one of the four forms."""
    forms = _forms(contract)
    said = "MLflow's inference parameters; read over where the model takes none."
    params = {"params": {"type": "object", "description": said}}
    return {
        "oneOf": [
            {
                "type": "object",
                "title": name,
                "required": [name],
                "properties": {name: schema} | params,
                "additionalProperties": False,
            }
            for name, schema in forms.items()
        ]
    }


def answer_schema(output: Output) -> Schema:
    """What a good answer is."""
    one = _shaped(_answer_value(output.type), output.shape)
    predictions: Schema = {"description": "One for each row.", "type": "array", "items": one}
    if output.type is Type.OBJECT:
        predictions = {"description": "What the model answers."}
    properties: dict[str, Schema] = {"predictions": predictions}
    if output.probabilities:
        shares: Schema = {"type": "array", "items": _answer_value(Type.FLOAT)}
        text = "For each row the probability of each class, in the order of `classes`."
        properties["probabilities"] = {"type": "array", "items": shares, "description": text}
    if output.classes is not None:
        properties["classes"] = {"type": "array", "items": {}, "const": list(output.classes)}
    return {"type": "object", "required": ["predictions"], "properties": properties}


def _answer_value(type_: Type) -> Schema:
    if type_ is Type.FLOAT:
        return {"type": ["number", "null"], "description": "null: not a number, or infinite."}
    return _type_schema(type_)


def column_schema(column: Column) -> Schema:
    """What one value of a column may be."""
    schema = _type_schema(column.type)
    allowed = categories(column)
    if allowed is not None:
        return {"enum": [*allowed, None] if column.nullable else list(allowed)}
    if column.type is Type.INTEGER:
        low, high = integer_range(column.dtype)
        schema |= {"minimum": low, "maximum": high}
    if column.nullable and "type" in schema:
        schema["type"] = [schema["type"], "null"]
    if column.categories and not column.closed:
        schema["examples"] = list(column.categories[:5])
    if column.minimum is not None and column.type in (Type.INTEGER, Type.FLOAT):
        schema["description"] = f"Seen: {column.minimum:g} to {column.maximum:g}."
    if column.is_zoned:
        schema["description"] = "A time without an offset is UTC."
    return schema


def _forms(contract: Contract) -> dict[str, Schema]:
    match contract.form:
        case Form.FRAME:
            return _frame_forms(contract)
        case Form.ARRAY:
            assert contract.tensor is not None, "ARRAY has a tensor"
            return _array_forms(contract.tensor)
        case Form.ANY:
            rows: Schema = {"type": "array", "minItems": 1}
            return {"dataframe_records": rows, "instances": rows, "inputs": {}}


def _frame_forms(contract: Contract) -> dict[str, Schema]:
    record: Schema = {
        "type": "object",
        "properties": {column.name: column_schema(column) for column in contract.columns},
        "required": [column.name for column in contract.columns if not column.nullable],
        "additionalProperties": not contract.strict,
    }
    names = ", ".join(column.name for column in contract.columns)
    split: Schema = {
        "type": "object",
        "required": ["data"],
        "properties": {
            "columns": {"type": "array", "items": {"type": "string"}},
            "data": {
                "type": "array",
                "minItems": 1,
                "items": {"type": "array"},
                "description": "Rows: values in the order of `columns`, or of the model's.",
            },
            "index": {"type": "array", "items": {}, "description": "Read over."},
        },
        "additionalProperties": False,
        "description": f"Columns: {names}.",
    }
    records: Schema = {"type": "array", "minItems": 1, "items": record}
    lists = {
        column.name: {"type": "array", "items": column_schema(column)}
        for column in contract.columns
    }
    inputs: Schema = record | {"properties": lists}
    rows: Schema = {"type": "array", "minItems": 1, "items": {"type": "array"}}
    return {
        "dataframe_split": split,
        "dataframe_records": records,
        "instances": {"anyOf": [records, rows]},
        "inputs": {"anyOf": [inputs, records, rows]},
    }


def _array_forms(tensor: Tensor) -> dict[str, Schema]:
    row = _shaped(column_schema(element(tensor)), tensor.shape)
    rows: Schema = {"type": "array", "minItems": 1, "items": row}
    return {"instances": rows, "inputs": rows}


def _shaped(schema: Schema, shape: tuple[int, ...]) -> Schema:
    for size in reversed(shape):
        schema = {"type": "array", "items": schema}
        if size >= 0:
            schema |= {"minItems": size, "maxItems": size}
    return schema


def _type_schema(type_: Type) -> Schema:
    simple: dict[Type, Schema] = {
        Type.INTEGER: {"type": "integer"},
        Type.FLOAT: {"type": "number"},
        Type.BOOLEAN: {"type": "boolean"},
        Type.STRING: {"type": "string"},
        Type.DATETIME: {"type": "string", "format": "date-time"},
    }
    return dict(simple.get(type_, {}))


def _invocations(route: VersionRoute) -> dict[str, Any]:
    return {
        "operationId": "invocations",
        "summary": "Predict.",
        "requestBody": _request_body(route),
        "responses": {
            "200": {
                "description": "The predictions, one for each row.",
                "headers": {
                    name: {"schema": {"type": "string"}}
                    for name in ("X-Request-Id", "X-Model-Version", "Server-Timing")
                },
                "content": {
                    "application/json": {"schema": {"$ref": "#/components/schemas/Answer"}}
                },
            }
        }
        | {str(kind.status): {"$ref": f"#/components/responses/{kind.code}"} for kind in _ERRORS},
    }


def _request_body(route: VersionRoute) -> dict[str, Any]:
    json: dict[str, Any] = {"schema": {"$ref": "#/components/schemas/Request"}}
    content = {"application/json": json, "text/csv": {"schema": {"type": "string"}}}
    body: dict[str, Any] = {"required": True, "content": content}
    if route.example is not None:
        json["example"] = msgspec.json.decode(route.example)
    elif (made := made_example(route.contract)) is not None:
        json["example"] = made
        body["description"] = "The example is made from the contract; its values mean nothing."
    return body


def _probe(name: str, summary: str) -> dict[str, Any]:
    problem = {"$ref": f"#/components/responses/{NoReplica.code}"}
    return {
        "operationId": name,
        "summary": summary,
        "security": [],
        "responses": {
            "200": {
                "description": "Yes." if name == "ping" else "The version.",
                "content": {"text/plain": {"schema": {"type": "string"}}},
            },
            "503": problem,
        },
    }


def _error(kind: type[RequestError]) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": f"{kind.title}.",
        "content": {"application/problem+json": {"schema": schema}},
    }
