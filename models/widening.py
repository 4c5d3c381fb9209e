"""Networks whose weights stay as narrow as they are stored, and are widened while they are used.

A network that was released in fp16 is computed in fp32 on processors that know nothing narrower, and its
weights then take twice the memory for the same numbers. Widened matrix by matrix instead, they give the same
answers, and a decoder that reads all of them for every token is a fifth faster: it waits for memory.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

_NUMBERS: Final = 2**21
"""Widened at a time: 8 MiB, which stay in the processor's cache until they are multiplied."""


def stored_in_16_bits(path: Path) -> bool:
    """All numbers of a file of safetensors are fp16."""
    from safetensors import safe_open

    with safe_open(str(path), framework="pt") as file:
        return all(file.get_slice(name).get_dtype() == "F16" for name in file.keys())  # noqa: SIM118


def widen_in_use(network: Module) -> None:
    """Make a network in fp16 compute in fp32, as if all its weights had been widened; on the processor."""
    import torch

    for module in list(network.modules()):
        if isinstance(module, torch.nn.Embedding):
            module.register_forward_hook(_widened_answer)
            continue
        if type(module) is torch.nn.Linear:
            module.forward = _linear(module)  # type: ignore[method-assign]
            own = (module.bias,)
        else:
            own = (*module.parameters(recurse=False), *module.buffers(recurse=False))
        for tensor in own:
            if tensor is not None and tensor.is_floating_point():
                tensor.data = tensor.data.float()


def _widened_answer(_module: Module, _arguments: Any, answer: Tensor) -> Tensor:
    return answer.float()


def _linear(module: Any) -> Callable[[Tensor], Tensor]:
    """`module.forward` with its rows widened a few at a time."""
    import torch
    from torch.nn.functional import linear

    rows = max(1, _NUMBERS // module.in_features)
    if module.out_features <= 2 * rows:

        def forward(x: Tensor) -> Tensor:
            return linear(x, module.weight.float(), module.bias)

    else:

        def forward(x: Tensor) -> Tensor:
            parts = [linear(x, part.float()) for part in module.weight.split(rows)]
            answer = torch.cat(parts, dim=-1)
            return answer if module.bias is None else answer + module.bias

    return forward
