"""ONNX graphs written node by node, from weights that come without one; torch is not needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]

_OPSET: Final = 17
"""Of ONNX: the oldest with a node for layer normalisation."""
_IR_VERSION: Final = 8
"""Of the file's format: the one that came with that opset; older runtimes refuse newer ones."""


class GraphWriter:
    """Collects the nodes and weights of a graph; a tensor is known by the name that `node` answers."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._weights: list[Any] = []

    def constant(self, value: Array) -> str:
        """The name of a tensor that is part of the file."""
        import numpy as np
        from onnx import numpy_helper

        name = f"w{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, kind: str, *inputs: str | Array, **attributes: Any) -> str:
        """The name of what a node makes of its inputs: names of tensors, or the values of constants."""
        from onnx import helper

        names = [one if isinstance(one, str) else self.constant(one) for one in inputs]
        output = f"t{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, names, [output], **attributes))
        return output

    def save(
        self,
        path: Path,
        source: tuple[str, Any, Sequence[int | str]],
        outputs: Mapping[str, tuple[str, Sequence[int | str]]],
    ) -> None:
        """Write the graph from one input (name, numpy's type, shape) to `outputs`: name to (tensor, shape).

        A side that varies has a name in a shape; the outputs are fp32.
        """
        import numpy as np
        import onnx
        from onnx import helper

        for name, (tensor, _) in outputs.items():
            self._nodes.append(helper.make_node("Identity", [tensor], [name]))
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(source[1]))
        graph = helper.make_graph(
            self._nodes,
            path.stem,
            [helper.make_tensor_value_info(source[0], kind, source[2])],
            [
                helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
                for name, (_, shape) in outputs.items()
            ],
            self._weights,
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION
        )
        onnx.save(model, str(path))
