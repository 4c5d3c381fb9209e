"""The graphs that are written by hand, beside the networks that others wrote."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from models.catalog.conse.classifier import SIDE, write_classifier
from models.catalog.conse.sentences import write_sentences
from models.machine.torch_cpu import make_torchvision_importable

torch = pytest.importorskip("torch")
make_torchvision_importable()
np = pytest.importorskip("numpy")
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

LAYERS = 2
WORDS = 300


def run(path: Path, **feed: Any) -> Any:
    onnx.checker.check_model(str(path), full_check=True)
    return onnxruntime.InferenceSession(str(path)).run(None, feed)[0]


def in_numpy(weights: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tensor.numpy() for name, tensor in weights.items()}


def test_classifier_answers_as_timms(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    from scripts.test_models.conse import classifier_weights

    weights = classifier_weights()
    theirs = timm.create_model("tf_efficientnet_lite2", pretrained=False).eval()
    assert theirs.default_cfg["input_size"] == (3, SIDE, SIDE)
    assert theirs.default_cfg["mean"] == theirs.default_cfg["std"] == (0.5, 0.5, 0.5)
    theirs.load_state_dict(dict(zip(names_in_timm(theirs), weights.values(), strict=True)))
    write_classifier(in_numpy(weights), tmp_path / "classifier.onnx")
    pixels = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        expected = theirs(pixels).numpy()
    found = run(tmp_path / "classifier.onnx", pixels=pixels.numpy())
    assert np.abs(expected).max() > 1
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def names_in_timm(model: Any) -> list[str]:
    """Timm's names of the tensors in the package's order, in which normalisation follows its convolution."""
    layers = ["conv_stem", "bn1"]
    for i, stage in enumerate(model.blocks):
        for j, block in enumerate(stage):
            parts = (
                ["conv_pw", "conv_dw", "conv_pwl"] if hasattr(block, "conv_pwl") else ["conv_dw", "conv_pw"]
            )
            layers += [f"blocks.{i}.{j}.{one}" for k, part in enumerate(parts, 1) for one in (part, f"bn{k}")]
    layers += ["conv_head", "bn2", "classifier"]
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    kinds = [norm if re.search(r"bn\d$", layer) else ("weight",) for layer in layers[:-1]]
    return [
        f"{layer}.{part}"
        for layer, parts in zip(layers, [*kinds, ("weight", "bias")], strict=True)
        for part in parts
    ]


def test_sentences_are_embedded_as_transformers_does(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    from scripts.test_models.conse import sentence_weights

    weights = sentence_weights(LAYERS, WORDS)
    config = transformers.BertConfig(
        vocab_size=WORDS,
        hidden_size=384,
        num_hidden_layers=LAYERS,
        num_attention_heads=12,
        intermediate_size=1536,
    )
    theirs = transformers.BertModel(config, add_pooling_layer=False).eval()
    lacking = theirs.load_state_dict(weights, strict=False)
    assert not [name for name in lacking.missing_keys if "position_ids" not in name]
    assert not lacking.unexpected_keys
    write_sentences(in_numpy(weights), tmp_path / "sentences.onnx")
    for shape in ((3, 11), (1, 1), (2, 256)):
        tokens = torch.randint(0, WORDS, shape, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            expected = theirs(input_ids=tokens).last_hidden_state.mean(dim=1).numpy()
        found = run(tmp_path / "sentences.onnx", tokens=tokens.numpy())
        assert found.shape == (shape[0], 384)
        assert np.abs(found - expected).max() < 1e-5


def test_weights_that_lack_a_layer_are_told(tmp_path: Path) -> None:
    from scripts.test_models.conse import classifier_weights, sentence_weights

    classifier, sentences = in_numpy(classifier_weights()), in_numpy(sentence_weights(0, WORDS))
    del classifier["_blocks.20._project_conv.weight"]
    with pytest.raises(KeyError, match=r"_blocks\.20"):
        write_classifier(classifier, tmp_path / "classifier.onnx")
    with pytest.raises(KeyError, match=r"encoder\.layer\.0"):
        write_sentences(sentences, tmp_path / "sentences.onnx")
