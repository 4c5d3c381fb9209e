"""Networks whose weights stay as narrow as they are stored, and are widened while they are used.

A network that was released in fp16 is computed in fp32 on processors that know nothing narrower, and its
weights then take twice the memory for the same numbers. Widened matrix by matrix instead they give the same
answers, in the same time: what a matrix costs more, a decoder gains, which waits for memory with each token.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

_NUMBERS: Final = 3 * 2**20
"""Widened at a time: 12 MiB, which stay in the processor's cache until they are multiplied."""


def detach_from_file(network: Module) -> None:
    """Copy the weights of a network on the processor into memory; those that matrices share they still share.

    Weights in the precision of their file are the file itself, mapped. If somebody writes into it they
    change, and are no longer those whose digest was checked; if somebody shortens it the process is killed.
    """
    own: dict[tuple[int, tuple[int, ...]], Tensor] = {}

    def copied(tensor: Tensor) -> Tensor:
        return own.setdefault((tensor.data_ptr(), tuple(tensor.shape)), tensor.detach().clone())

    for parameter in network.parameters():
        parameter.data = copied(parameter)
    for module in network.modules():
        for name, buffer in module.named_buffers(recurse=False):
            setattr(module, name, copied(buffer))  # with other data it would still hold on to the file


def widen_while_used(network: Module) -> None:
    """Make a network in fp16 compute in fp32, as if all its weights had been widened; on the processor.

    It can then be used by one thread at a time.
    """
    import torch

    room = torch.empty(_NUMBERS)
    module: Any
    for module in list(network.modules()):
        if isinstance(module, torch.nn.Embedding):
            module.register_forward_hook(_widened_answer)
            continue
        matrix = type(module) is torch.nn.Linear and module.in_features <= _NUMBERS
        for tensor in [module.bias] if matrix else [*module.parameters(False), *module.buffers(False)]:
            if tensor is not None and tensor.is_floating_point():
                tensor.data = tensor.data.float()
        if matrix:
            module.forward = _linear(module, room)


def _widened_answer(_module: Module, _arguments: Any, answer: Tensor) -> Tensor:
    return answer.float()


def _linear(module: Any, room: Tensor) -> Callable[[Tensor], Tensor]:
    """`module.forward`, with as many rows at a time as there is `room` for when they are widened."""
    import torch
    from torch.nn.functional import linear

    rows = room.numel() // module.in_features
    narrow = module.weight.data.split(rows)
    wide = [room[: part.numel()].view(part.shape) for part in narrow]
    biases = [None] * len(narrow) if module.bias is None else module.bias.data.split(rows)
    parts = list(zip(narrow, wide, biases, strict=True))

    def forward(x: Tensor) -> Tensor:
        answers = [linear(x, space.copy_(part), bias) for part, space, bias in parts]
        return answers[0] if len(answers) == 1 else torch.cat(answers, dim=-1)

    return forward
