import os
import time
from pathlib import Path

import pytest

from models.backends import exports
from models.backends.exports import FOLDER, exported, write_onnx
from models.settings import ModelSettings
from models.spec import Licence, Loading, Variant


def loading(cache: Path, content: bytes = b"weights", digest: str | None = None) -> Loading:
    path = cache / "weights.bin"
    path.write_bytes(content)
    return Loading(
        variant=Variant(version="a-model", licence=Licence(name="MIT", use="free")),
        files={"weights.bin": path},
        digest=digest,
        device="cpu",
        threads=1,
        settings=ModelSettings(_env_file=None, model_cache_dir=cache),
    )


def write(folder: Path) -> None:
    (folder / "graph.onnx").write_text("a graph")


def test_what_was_written_once_is_found_again(tmp_path: Path) -> None:
    folder = exported(loading(tmp_path), "model", ["pytest"], write)
    assert (folder / "graph.onnx").read_text() == "a graph"
    assert exported(loading(tmp_path), "model", ["pytest"], lambda _: pytest.fail("written again")) == folder


@pytest.mark.parametrize("other", ["weights", "digest", "library", "name"])
def test_other_weights_or_libraries_have_another_folder(tmp_path: Path, other: str) -> None:
    one = exported(loading(tmp_path), "model", ["pytest"], write)
    two = exported(
        loading(
            tmp_path,
            b"others" if other == "weights" else b"weights",
            "a digest" if other == "digest" else None,
        ),
        "thing" if other == "name" else "model",
        ["click"] if other == "library" else ["pytest"],
        write,
    )
    assert one != two


def test_a_new_version_of_a_library_writes_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = exported(loading(tmp_path), "model", ["pytest"], write)
    monkeypatch.setattr(exports, "version", lambda _: "99")
    assert exported(loading(tmp_path), "model", ["pytest"], write) != one


def test_a_failed_export_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        write(folder)
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        exported(loading(tmp_path), "model", ["pytest"], fail)
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_of_two_processes_the_first_wins(tmp_path: Path) -> None:
    def late(folder: Path) -> None:
        write(folder)
        exported(loading(tmp_path), "model", ["pytest"], lambda other: write(other))
        (folder / "graph.onnx").write_text("the second")

    folder = exported(loading(tmp_path), "model", ["pytest"], late)
    assert (folder / "graph.onnx").read_text() == "a graph"
    assert list((tmp_path / FOLDER).iterdir()) == [folder]


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    old, young = (tmp_path / FOLDER / f".{name}.part" for name in ("old", "young"))
    for part in (old, young):
        part.mkdir(parents=True)
        (part / "half a graph").touch()
    then = time.time() - 86400
    os.utime(old, (then, then))
    exported(loading(tmp_path), "model", ["pytest"], write)
    assert not old.exists()
    assert young.exists()


@pytest.mark.slow
def test_a_model_is_not_put_into_training_by_its_export(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx")
    model = torch.nn.Linear(2, 2).eval()
    write_onnx(model, model, torch.zeros(1, 2), tmp_path / "graph.onnx", ["output"], {})
    assert not model.training
