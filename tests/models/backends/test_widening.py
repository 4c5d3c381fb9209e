"""Weights in fp16 answer as if they had been widened, and stay in fp16."""

from __future__ import annotations

import copy
import gc
from pathlib import Path

import pytest

from models.backends import widening
from models.backends.widening import detach_from_file, widen_while_used

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("numbers", [64, 1000, 3 * 2**20])
def test_answers_are_those_of_widened_weights(monkeypatch: pytest.MonkeyPatch, numbers: int) -> None:
    """In one piece, in several, the last of them smaller, and of a matrix that has no room at all."""
    monkeypatch.setattr(widening, "_NUMBERS", numbers)
    torch.manual_seed(1)
    network = torch.nn.Sequential(
        torch.nn.Embedding(50, 48),
        torch.nn.LayerNorm(48),
        torch.nn.Linear(48, 101),
        torch.nn.GELU(),
        torch.nn.Linear(101, 50, bias=False),
    ).half()
    network[4].weight = torch.nn.Parameter(torch.randn(50, 101).half() / 10)
    wide = copy.deepcopy(network).float()
    widen_while_used(network.eval())
    words = torch.tensor([[3, 1, 4, 1, 5], [9, 2, 6, 5, 3]])
    with torch.inference_mode():
        answer = network(words)
        assert answer.dtype == torch.float32
        assert torch.allclose(answer, wide(words), atol=1e-6)
        assert torch.equal(network(words), answer)
    assert network[0].weight.dtype == torch.float16
    assert network[1].weight.dtype == torch.float32
    if numbers >= 101:
        assert network[2].weight.dtype == network[4].weight.dtype == torch.float16


def test_matrices_that_share_their_weights_still_do() -> None:
    network = torch.nn.Module()
    network.words = torch.nn.Embedding(20, 8)
    network.head = torch.nn.Linear(8, 20, bias=False)
    network.head.weight = network.words.weight
    widen_while_used(network.half())
    assert network.head.weight.data_ptr() == network.words.weight.data_ptr()
    x = torch.randn(2, 8)
    assert torch.allclose(network.head(x), x @ network.words.weight.float().T, atol=1e-6)


def test_weights_taken_off_their_file_are_what_they_were_and_stay_so(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = tmp_path / "weights.safetensors"
    save_file(
        {"words": torch.ones(64, 64).half(), "bias": torch.ones(64).half(), "places": torch.ones(9)}, path
    )
    stored = load_file(path)
    network = torch.nn.Module()
    network.words = torch.nn.Embedding(64, 64, _weight=stored["words"])
    network.head = torch.nn.Linear(64, 64)
    network.head.weight, network.head.bias = network.words.weight, torch.nn.Parameter(stored["bias"])
    network.register_buffer("places", stored["places"])
    detach_from_file(network)
    with path.open("r+b") as file:
        file.seek(-64 * 64, 2)
        file.write(bytes(64 * 64))
    assert not torch.equal(stored["words"], torch.ones(64, 64).half())  # the file itself, as was said
    assert torch.equal(network.words.weight, torch.ones(64, 64).half())
    assert torch.equal(network.head.bias, torch.ones(64).half())
    assert network.head.weight.data_ptr() == network.words.weight.data_ptr()
    maps = Path("/proc/self/maps")
    if maps.exists():
        assert str(path) in maps.read_text()
        del stored
        gc.collect()
        assert str(path) not in maps.read_text()
