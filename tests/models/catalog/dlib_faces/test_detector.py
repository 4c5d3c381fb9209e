from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.catalog.dlib_faces.detector import HEADS, INPUT, STRIDES, decode, shapes, write_detector
from models.errors import BadWeights
from scripts.test_models.dlib import detector_arrays, shared_object

np = pytest.importorskip("numpy")
pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def outputs(*seen: tuple[int, int, int, float, float]) -> dict[str, Any]:
    """What the graph says of 640 by 480 pixels: faces by stride, row, column, score and size in strides."""
    found = {
        f"{head}_{stride}": np.zeros((1, numbers, 480 // stride, 640 // stride), np.float32)
        for head, numbers in HEADS.items()
        for stride in STRIDES
    }
    for stride, row, column, score, size in seen:
        found[f"cls_{stride}"][0, 0, row, column] = score
        found[f"obj_{stride}"][0, 0, row, column] = score
        found[f"bbox_{stride}"][0, :, row, column] = (0.5, 0.25, np.log(size), np.log(2 * size))
        found[f"kps_{stride}"][0, :, row, column] = np.arange(10) / 10
    return found


def test_a_face_is_read_from_its_place() -> None:
    found = decode(outputs((16, 3, 5, 0.8, 4.0)), 0.6)
    np.testing.assert_allclose(found.scores, [0.8], rtol=1e-6)
    # The centre is at (5.5, 3.25) strides, the box 4 by 8 strides.
    np.testing.assert_allclose(found.boxes, [[56, -12, 120, 116]], rtol=1e-5)
    np.testing.assert_allclose(found.points[0][0], [5 * 16, 3.1 * 16], rtol=1e-5)
    np.testing.assert_allclose(found.points[0][4], [5.8 * 16, 3.9 * 16], rtol=1e-5)


def test_faces_of_all_strides_come_best_first() -> None:
    found = decode(outputs((8, 3, 5, 0.7, 3.0), (16, 20, 20, 0.9, 3.0), (32, 4, 18, 0.8, 2.0)), 0.6)
    np.testing.assert_allclose(found.scores, [0.9, 0.8, 0.7], rtol=1e-6)


def test_one_face_is_found_once() -> None:
    assert len(decode(outputs((8, 10, 10, 0.7, 8.0), (8, 10, 11, 0.9, 8.0)), 0.6).scores) == 1
    assert len(decode(outputs((8, 10, 10, 0.7, 8.0), (8, 10, 30, 0.9, 8.0)), 0.6).scores) == 2


def test_what_is_unlikely_is_no_face() -> None:
    found = decode(outputs((8, 3, 5, 0.59, 3.0)), 0.6)
    assert found.boxes.shape == (0, 4)
    assert found.points.shape == (0, 5, 2)


def test_a_library_of_another_version_is_refused(tmp_path: Path) -> None:
    arrays = detector_arrays()
    arrays["backbone__model3_dp1_pw_weight"] = np.zeros(7, np.float32)
    library = tmp_path / "libfacedetection.so"
    library.write_bytes(shared_object(arrays))
    with pytest.raises(BadWeights, match="has no backbone__model3_dp1_pw_weight"):
        write_detector(library, tmp_path / "out.onnx")


def test_the_graph_computes_what_the_library_does(tmp_path: Path) -> None:
    """The layers of `objectdetect_cnn`, written out in torch."""
    torch = pytest.importorskip("torch")
    fn = torch.nn.functional
    arrays = {
        name: torch.from_numpy(0.7 * value.reshape(shapes()[name]))
        for name, value in detector_arrays().items()
    }
    library = tmp_path / "libfacedetection.so"
    library.write_bytes(shared_object({name: value.numpy() for name, value in arrays.items()}))
    write_detector(library, tmp_path / "out.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "out.onnx"), providers=["CPUExecutionProvider"])
    picture = (255 * np.random.default_rng(1).random((1, 3, 96, 64))).astype(np.float32)
    names = [port.name for port in session.get_outputs()]
    found = dict(zip(names, session.run(None, {INPUT: picture}), strict=True))

    def layer(x: Any, name: str, relu: bool = True) -> Any:
        x = fn.conv2d(x, arrays[f"{name}_pw_weight"], arrays[f"{name}_pw_bias"])
        filters = arrays[f"{name}_dw_weight"].permute(2, 3, 0, 1)
        x = fn.conv2d(x, filters, arrays[f"{name}_dw_bias"], padding=1, groups=len(filters))
        return x.relu() if relu else x

    # As the library does it: 27 numbers of 3 by 3 pixels, row by row, each pixel's colours together.
    around = fn.unfold(torch.from_numpy(picture), 3, padding=1, stride=2)
    around = around.reshape(3, 9, -1).transpose(0, 1).reshape(1, 27, 48, 32)
    first = arrays["backbone__model0_pw_weight"][:, :27, None, None]
    x = fn.conv2d(around, first, arrays["backbone__model0_pw_bias"]).relu()
    x = fn.max_pool2d(layer(x, "backbone__model0_dp"), 2)
    features = []
    for stage in range(1, 6):
        x = layer(layer(x, f"backbone__model{stage}_dp1"), f"backbone__model{stage}_dp2")
        features.append(x)
        if stage in (2, 3, 4):
            x = fn.max_pool2d(x, 2)
    small, middle, large = features[2:]
    large = layer(large, "neck__lateral_convs__2")
    middle = layer(fn.interpolate(large, scale_factor=2) + middle, "neck__lateral_convs__1")
    small = layer(fn.interpolate(middle, scale_factor=2) + small, "neck__lateral_convs__0")
    for level, (stride, seen) in enumerate(zip(STRIDES, (small, middle, large), strict=True)):
        for head in HEADS:
            expected = layer(seen, f"bbox_head__multi_level_{head}__{level}", relu=False)
            expected = expected.sigmoid() if head in ("cls", "obj") else expected
            np.testing.assert_allclose(found[f"{head}_{stride}"], expected.numpy(), rtol=1e-3, atol=1e-5)
