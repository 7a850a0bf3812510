"""Contracts and MLflow's signatures, one from the other.

Rule: a contract says more than a signature; what a signature does not know comes back as unknown,
never as a guess.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jupyter_deploy.core.contract import Column, Contract, Form, Output, Tensor, Type

_DATA_TYPES = {
    Type.INTEGER: "long",
    Type.FLOAT: "double",
    Type.BOOLEAN: "boolean",
    Type.STRING: "string",
    Type.DATETIME: "datetime",
}
_COLUMNS = {
    "integer": (Type.INTEGER, "int32"),
    "long": (Type.INTEGER, "int64"),
    "float": (Type.FLOAT, "float32"),
    "double": (Type.FLOAT, "float64"),
    "boolean": (Type.BOOLEAN, "bool"),
    "string": (Type.STRING, "str"),
    "datetime": (Type.DATETIME, "datetime64[ns]"),
}
_NUMPY_TYPES = {
    Type.INTEGER: "int64",
    Type.FLOAT: "float64",
    Type.BOOLEAN: "bool",
    Type.DATETIME: "datetime64[ns]",
}


def signature_of(contract: Contract) -> Any:
    """The contract as an mlflow.models.ModelSignature; None when nothing is known of the input."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    if contract.form is Form.ANY:
        return None
    if contract.tensor is not None:
        tensor = contract.tensor
        inputs = Schema([TensorSpec(_numpy_dtype(tensor), (-1, *tensor.shape))])
    else:
        inputs = Schema([
            ColSpec(_data_type(column), name=column.name, required=not column.nullable)
            for column in contract.columns
        ])  # fmt: skip
    output = contract.output
    dtype = np.dtype(_NUMPY_TYPES.get(output.type, "object"))
    return ModelSignature(inputs, Schema([TensorSpec(dtype, (-1, *output.shape))]))


def contract_of(signature: Any) -> Contract:
    """What an MLflow signature (or None) says, as a contract."""
    inputs = None if signature is None else signature.inputs
    if inputs is None or len(inputs) == 0:
        return Contract(Form.ANY)
    output = _output(signature.outputs)
    if inputs.is_tensor_spec():
        return _tensor_contract(inputs, output)
    if not inputs.has_input_names():
        return _unnamed_contract(inputs, output)
    columns = [_column(spec) for spec in inputs.inputs]
    return Contract(Form.FRAME, columns=tuple(columns), output=output)


def _numpy_dtype(tensor: Tensor) -> Any:
    try:
        return np.dtype("object" if tensor.dtype == "str" else tensor.dtype)
    except TypeError:  # a dtype of pandas' own
        return np.dtype("object")


def _data_type(column: Column) -> Any:
    from mlflow.types import DataType
    from mlflow.types.schema import AnyType

    if column.type is Type.OBJECT:
        return AnyType()
    if column.dtype == "float32":
        return DataType.float
    return DataType[_DATA_TYPES[column.type]]


def _column(spec: Any) -> Column:
    name, nullable = str(spec.name), not spec.required
    kind, dtype = _COLUMNS.get(getattr(spec.type, "name", ""), (Type.OBJECT, "infer"))
    if nullable and kind is Type.INTEGER:
        dtype = "float64"  # as a missing value makes it in pandas
    if nullable and kind is Type.BOOLEAN:
        dtype = "object"
    return Column(name, kind, dtype, nullable=nullable or kind is Type.OBJECT, missing="none")


def _tensor_contract(inputs: Any, output: Output) -> Contract:
    if len(inputs) > 1:  # named tensors: a dict of arrays
        return Contract(Form.ANY, output=output)
    spec = inputs.inputs[0]
    kind = _type_of_numpy(spec.type)
    shape = tuple(int(size) for size in spec.shape[1:])
    if any(size < 0 for size in shape):
        return Contract(Form.ANY, output=output)
    tensor = Tensor(kind, spec.type.name, shape, nullable=kind in (Type.FLOAT, Type.OBJECT))
    return Contract(Form.ARRAY, tensor=tensor, output=output)


def _unnamed_contract(inputs: Any, output: Output) -> Contract:
    kinds = {_COLUMNS.get(getattr(spec.type, "name", "")) for spec in inputs.inputs}
    known = kinds.pop()
    if kinds or known is None:
        return Contract(Form.ANY, output=output)
    kind, dtype = known
    shape = () if len(inputs) == 1 else (len(inputs),)
    dtype = "object" if kind is Type.STRING else dtype
    tensor = Tensor(kind, dtype, shape, nullable=kind is Type.FLOAT)
    return Contract(Form.ARRAY, tensor=tensor, output=output)


def _output(outputs: Any) -> Output:
    if outputs is None or len(outputs) != 1 or outputs.has_input_names():
        return Output()
    spec = outputs.inputs[0]
    if not outputs.is_tensor_spec():
        return Output(type=_COLUMNS.get(getattr(spec.type, "name", ""), (Type.OBJECT, ""))[0])
    shape = tuple(int(size) for size in spec.shape[1:])
    return (
        Output(type=_type_of_numpy(spec.type), shape=shape)
        if min(shape, default=0) >= 0
        else Output()
    )


def _type_of_numpy(dtype: Any) -> Type:
    kinds = {"b": Type.BOOLEAN, "i": Type.INTEGER, "u": Type.INTEGER, "f": Type.FLOAT,
             "M": Type.DATETIME, "U": Type.STRING}  # fmt: skip
    return kinds.get(np.dtype(dtype).kind, Type.OBJECT)
