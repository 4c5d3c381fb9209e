"""Checkpoints of torch's older format, read without torch; and files that pretend to be some."""

from __future__ import annotations

import pickle
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import pytest

from models.catalog.conse.torch_file import read_weights
from models.errors import BadWeights

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")


def saved(folder: Path, state: Any) -> Path:
    path = folder / "weights.pth"
    torch.save(state, path, _use_new_zipfile_serialization=False)
    return path


def test_weights_are_read_as_torch_wrote_them(tmp_path: Path) -> None:
    whole = torch.arange(24.0).reshape(4, 6)
    state = OrderedDict(
        plain=whole.clone(),
        turned=whole.clone().T,
        row=whole[2],  # of a storage that is shared
        column=whole[:, 3],
        count=torch.tensor(7),
        none=torch.zeros(0, 3),
    )
    found = read_weights(saved(tmp_path, state))
    assert list(found) == list(state)
    for name, tensor in state.items():
        assert found[name].shape == tuple(tensor.shape)
        assert np.array_equal(found[name], tensor.numpy()), name


def test_module_with_metadata_is_read(tmp_path: Path) -> None:
    module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    found = read_weights(saved(tmp_path, module.state_dict()))
    assert set(found) == set(module.state_dict())


@pytest.mark.parametrize(
    "state",
    [
        OrderedDict(a=Counter("harmless")),  # a class that no tensor needs
        OrderedDict(a=print),
        OrderedDict(a=torch.zeros(2, dtype=torch.float16)),
        OrderedDict(a=1),
        [torch.zeros(2)],
        torch.zeros(2),
    ],
)
def test_what_is_not_a_state_dict_of_floats_is_refused(tmp_path: Path, state: Any) -> None:
    with pytest.raises(BadWeights):
        read_weights(saved(tmp_path, state))


def test_nothing_that_a_file_names_is_called(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "called",))

    for content in (pickle.dumps(Evil()), pickle.dumps(0x1950A86A20F9469CFC6C) + pickle.dumps(Evil())):
        (tmp_path / "weights.pth").write_bytes(content)
        with pytest.raises(BadWeights):
            read_weights(tmp_path / "weights.pth")
    with pytest.raises(BadWeights, match="nothing that weights are made of"):
        read_weights(saved(tmp_path, OrderedDict(a=Evil())))
    assert not (tmp_path / "called").exists()


def test_damaged_file_is_told(tmp_path: Path) -> None:
    path = saved(tmp_path, OrderedDict(a=torch.arange(100.0)))
    whole = path.read_bytes()
    at = whole.index((100).to_bytes(8, "little"), len(whole) - 420)
    another_count = whole[:at] + (99).to_bytes(8, "little") + whole[at + 8 :]
    archive = b"PK\3\4" + bytes(100)
    for content in (b"", whole[:-1], whole[: len(whole) // 2], another_count, archive):
        path.write_bytes(content)
        with pytest.raises(BadWeights):
            read_weights(path)


class _Storage:
    """Pickled as torch pickles a storage."""


class _Pickler(pickle.Pickler):
    def persistent_id(self, value: Any) -> Any:
        return ("storage", torch.FloatStorage, "0", "cpu", 4, None) if isinstance(value, _Storage) else None


class _Tensor:
    def __init__(self, offset: Any, shape: Any, strides: Any) -> None:
        self._about = (offset, shape, strides)

    def __reduce__(self) -> Any:
        return (torch._utils._rebuild_tensor_v2, (_Storage(), *self._about, False, OrderedDict()))


@pytest.mark.parametrize(
    ("about", "fits"),
    [
        ((0, (2, 2), (2, 1)), True),
        ((1, (3,), (1,)), True),
        ((1, (4,), (1,)), False),
        ((0, (2, 2), (4, 1)), False),
        ((3, (4,), (-1,)), False),
        ((-1, (2,), (1,)), False),
        ((0, (2, 2), (2,)), False),
    ],
)
def test_tensor_stays_within_its_numbers(tmp_path: Path, about: Any, fits: bool) -> None:
    path = tmp_path / "weights.pth"
    with path.open("wb") as file:
        for one in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
            pickle.dump(one, file, protocol=2)
        _Pickler(file, protocol=2).dump(OrderedDict(a=_Tensor(*about)))
        pickle.dump(["0"], file, protocol=2)
        file.write((4).to_bytes(8, "little") + np.arange(4, dtype="<f4").tobytes())
    if fits:
        assert read_weights(path)["a"].size
        return
    with pytest.raises(BadWeights):
        read_weights(path)
