from pathlib import Path
from typing import Any

import pytest

from models.backends import ways
from models.backends.exports import NotExportable
from models.backends.ways import Backend, Way, build_first, choose
from models.errors import ModelFailed, PackageMissing
from models.settings import ModelSettings
from models.spec import Licence, Loading, Variant

FAST, SLOW, REFERENCE = Way("openvino", "bf16"), Way("onnxruntime", "fp32"), Way("torch", "fp32")
ALL = (FAST, SLOW, REFERENCE)


@pytest.mark.parametrize(
    ("wanted", "missing", "chosen"),
    [
        ("auto", (), FAST),
        ("auto", ("openvino",), SLOW),
        ("auto", ("openvino", "onnxruntime"), REFERENCE),
        ("torch", (), REFERENCE),
        ("onnxruntime", (), SLOW),
    ],
)
def test_the_fastest_that_is_installed_is_chosen(wanted: Any, missing: tuple[str, ...], chosen: Way) -> None:
    assert choose(ALL, wanted, installed=lambda backend: backend not in missing) == chosen


def test_a_backend_that_the_model_has_not_leaves_the_choice_to_it() -> None:
    assert choose((REFERENCE,), "openvino", installed=lambda _: True) == REFERENCE


@pytest.mark.parametrize(
    ("wanted", "extra"), [("openvino", "openvino"), ("onnxruntime", "cpu"), ("torch", "cpu")]
)
def test_a_backend_that_is_not_installed_names_its_extra(wanted: Any, extra: str) -> None:
    def installed(backend: Backend) -> bool:
        return backend != wanted

    with pytest.raises(PackageMissing, match=rf"MODEL_BACKEND={wanted} .*\[{extra}\]"):
        choose(ALL, wanted, installed=installed)


def loading(**values: Any) -> Loading:
    settings = ModelSettings(_env_file=None, **values)
    variant = Variant(version="a-model", licence=Licence(name="MIT", use="free"))
    return Loading(variant=variant, files={}, device="cpu", threads=1, settings=settings)


@pytest.mark.parametrize("error", [NotExportable("no graph"), OSError("no space left")])
def test_without_a_graph_auto_goes_on_with_torch(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "choose", lambda *_: FAST)

    def build(way: Way) -> Way:
        if way.backend != "torch":
            raise error
        return way

    assert build_first(loading(), ALL, build) == REFERENCE
    with pytest.raises(ModelFailed, match="a-model cannot run on openvino"):
        build_first(loading(model_backend="openvino"), ALL, build)


def test_what_torch_cannot_do_is_not_tried_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []
    monkeypatch.setattr(ways, "choose", lambda *_: REFERENCE)

    def build(way: Way) -> Path:
        tried.append(way)
        raise OSError("gone")

    with pytest.raises(ModelFailed, match="gone"):
        build_first(loading(), ALL, build)
    assert tried == [REFERENCE]
