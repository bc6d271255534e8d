"""The rewrite keeps what the network computes, and its cache survives races and broken files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ingest.vision.onnx_rewrite import rewrite, rewritten
from ingest.vision.protocols import Floats
from ingest.vision.sface import sface_on_onnxruntime
from ingest.vision.weights import SFACE, YUNET, VerifiedWeights, find_weights
from ingest.vision.yunet import YuNetDetector

FREE = {"x": {0: "N"}}


def test_quantised_weights_are_baked_and_prelu_computes_the_same() -> None:
    import onnxruntime

    model, weight, slope = _small_model()
    session = onnxruntime.InferenceSession(rewrite(model, free=FREE), providers=["CPUExecutionProvider"])
    x = np.random.default_rng(0).normal(size=(3, 4, 5, 5)).astype(np.float32)
    linear = np.einsum("oc,nchw->nohw", weight, x)
    expected = np.where(linear > 0, linear, slope[None] * linear)
    np.testing.assert_allclose(session.run(None, {"x": x})[0], expected, atol=1e-5)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("steepest", [0.5, 1.5])
def test_prelu_before_a_depthwise_convolution_computes_the_same_in_batches_too(stride: int, steepest: float) -> None:
    import onnxruntime

    model = _deep_model(stride, steepest)
    proto = onnx.load_model_from_string(model)
    x = np.random.default_rng(0).normal(size=(3, 4, 6, 6)).astype(np.float32)
    published = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    expected = np.vstack([published.run(None, {"x": item[None]})[0] for item in x])
    for one_by_one in (False, True):
        content = rewrite(model, free={"x": {0: "N"}, "y": {0: "N"}}, one_by_one=one_by_one)
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        np.testing.assert_allclose(session.run(None, {"x": x})[0], expected, atol=1e-5)
        types = {node.op_type for node in onnx.load_model_from_string(content).graph.node}
        assert ("Scan" in types) == one_by_one
    assert {"PRelu", "BatchNormalization"} <= {node.op_type for node in proto.graph.node}


def test_prelu_can_be_kept_and_constants_are_no_inputs() -> None:
    graph = onnx.load_model_from_string(rewrite(_small_model()[0], free=FREE, keep_prelu=True)).graph
    assert [node.op_type for node in graph.node] == ["Conv", "PRelu"]
    assert [value.name for value in graph.input] == ["x"]


def test_the_cache_is_used_again_and_keeps_no_part_files(tmp_path: Path) -> None:
    weights = find_weights(YUNET)
    first = rewritten(weights, cache_dir=tmp_path / "new", free={})
    stamp = first.stat().st_mtime_ns
    assert rewritten(weights, cache_dir=tmp_path / "new", free={}) == first
    assert first.stat().st_mtime_ns == stamp
    assert list(first.parent.iterdir()) == [first]


def test_another_source_gets_another_cached_file(tmp_path: Path) -> None:
    model = _small_model()[0]
    source = tmp_path / "model.onnx"
    source.write_bytes(model)
    one = VerifiedWeights(path=source, sha256="a" * 64, version="one")
    two = VerifiedWeights(path=source, sha256="b" * 64, version="two")
    assert rewritten(one, cache_dir=tmp_path, free=FREE) != rewritten(two, cache_dir=tmp_path, free=FREE)


def test_processes_that_race_for_the_cache_all_get_a_whole_file(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from ingest.vision.weights import SFACE, find_weights;"
        "from ingest.vision.sface import sface_on_onnxruntime; import numpy as np;"
        "e = sface_on_onnxruntime(find_weights(SFACE), cache_dir=Path(sys.argv[1]));"
        "print(e.embed(np.full((1, 112, 112, 3), 90, np.uint8)).sum())"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    results = [process.communicate() for process in running]
    assert [process.returncode for process in running] == [0] * 4, results
    assert len({out for out, _ in results}) == 1
    assert [path.suffix for path in tmp_path.iterdir()] == [".onnx"]


@pytest.mark.parametrize("damage", [b"", b"not a model", None], ids=["empty", "rubbish", "half"])
def test_a_broken_cached_file_is_made_anew(tmp_path: Path, damage: bytes | None) -> None:
    free = {"data": {0: "N"}, "fc1": {0: "N"}}
    path = rewritten(find_weights(SFACE), cache_dir=tmp_path, free=free, one_by_one=True)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    embedder = sface_on_onnxruntime(find_weights(SFACE), cache_dir=tmp_path)
    assert embedder.embed(np.zeros((1, 112, 112, 3), np.uint8)).shape == (1, 128)
    assert path.read_bytes() == whole


def test_a_file_that_is_no_model_is_an_error_and_not_an_endless_loop(tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish.onnx"
    rubbish.write_bytes(b"rubbish")
    weights = VerifiedWeights(path=rubbish, sha256="c" * 64, version="custom")
    with pytest.raises(Exception, match=r".+"):
        YuNetDetector(weights, cache_dir=tmp_path / "cache")


def _small_model() -> tuple[bytes, Floats, Floats]:
    """x (1, 4, 5, 5) -> 1x1 convolution with block-quantised weights -> PRelu, and what its constants stand for."""
    random = np.random.default_rng(1)
    quantised = random.integers(-100, 100, (6, 4), dtype=np.int8)
    scale = random.uniform(0.01, 0.1, (6, 2)).astype(np.float32)
    zero = random.integers(-5, 5, (6, 2), dtype=np.int8)
    slope = random.uniform(-0.5, 0.5, (6, 1, 1)).astype(np.float32)
    constants: dict[str, Any] = {"q": quantised, "s": scale, "z": zero, "shape": np.array([6, 4, 1, 1]), "a": slope}
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["w"], axis=1, block_size=2),
        helper.make_node("Reshape", ["w", "shape"], ["w4"]),
        helper.make_node("Conv", ["x", "w4"], ["c"]),
        helper.make_node("PRelu", ["c", "a"], ["y"]),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "small",
        [value("x", TensorProto.FLOAT, [1, 4, 5, 5]), value("q", TensorProto.INT8, [6, 4])],
        [value("y", TensorProto.FLOAT, ["N", 6, 5, 5])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    wide = np.repeat(scale, 2, 1)
    weight: Floats = (quantised.astype(np.float32) - np.repeat(zero, 2, 1)) * wide
    return model.SerializeToString(), weight, slope


def _deep_model(stride: int, steepest: float) -> bytes:
    """x (1, 4, 6, 6) -> PRelu -> depthwise 3x3 -> BatchNormalization -> PRelu -> Flatten -> Gemm -> y (1, 2)."""
    random = np.random.default_rng(2)
    flat = 4 * (6 // stride) ** 2

    def floats(*shape: int) -> Floats:
        return random.normal(size=shape).astype(np.float32)

    slope = np.array([-0.3, 0.2, 0.9, steepest], np.float32).reshape(4, 1, 1)
    constants = {"a": slope, "w": floats(4, 1, 3, 3), "g": floats(4), "b": floats(4), "m": floats(4)}
    constants |= {"v": np.abs(floats(4)), "f": floats(2, flat), "h": floats(2)}
    make, value = helper.make_node, helper.make_tensor_value_info
    nodes = [
        make("PRelu", ["x", "a"], ["p"]),
        make("Conv", ["p", "w"], ["c"], group=4, kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[stride, stride]),
        make("BatchNormalization", ["c", "g", "b", "m", "v"], ["n"]),
        make("PRelu", ["n", "a"], ["q"]),
        make("Flatten", ["q"], ["r"]),
        make("Gemm", ["r", "f", "h"], ["y"], transB=1),
    ]
    tensors = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    x, y = value("x", TensorProto.FLOAT, [1, 4, 6, 6]), value("y", TensorProto.FLOAT, [1, 2])
    graph = helper.make_graph(nodes, "deep", [x], [y], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    content: bytes = model.SerializeToString()
    return content
