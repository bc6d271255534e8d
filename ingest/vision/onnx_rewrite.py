"""Rewrites the published ONNX files once, into files that ONNX Runtime can run, and run fast.

Both files carry block-quantised weights that ONNX Runtime refuses as shipped, and PRelu layers that leave its blocked
memory layout. Measured for SFace, one thread, a face: 24 ms with the weights merely baked, 8 ms with this rewrite;
outputs equal to 3e-6. The result is plain fp32 ONNX (any runtime reads it; nothing in it is specific to a CPU) and is
cached by the hash of its source and of what was asked for.
"""

from __future__ import annotations

import hashlib
import logging
import os
import uuid
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.vision.weights import VerifiedWeights

logger = logging.getLogger(__name__)

# Bump when the rewrite changes: files cached by earlier ones are then no longer used.
REWRITE_VERSION = 1

# input name or output name -> {axis: symbolic name}; dimensions the published files fix and we want free.
FreeDimensions = dict[str, dict[int, str]]


def rewritten(weights: VerifiedWeights, *, cache_dir: Path, free: FreeDimensions, keep_prelu: bool = False) -> Path:
    """The rewritten file of `weights` in `cache_dir`, made if it is not there.

    keep_prelu: leave PRelu as it is, for OpenVINO, which fuses it (4.8 against 6.1 ms a face in bf16).

    Several processes may race: each writes a file of its own and renames it into place, all with the same content.
    """
    recipe = hashlib.sha256(repr((REWRITE_VERSION, sorted(free.items()), keep_prelu)).encode()).hexdigest()
    target = cache_dir / f"{weights.path.stem}-{weights.sha256[:16]}-{recipe[:8]}.onnx"
    if target.exists():
        return target
    content = rewrite(weights.path.read_bytes(), free=free, keep_prelu=keep_prelu)
    cache_dir.mkdir(parents=True, exist_ok=True)
    part = cache_dir / f".{target.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.part"
    try:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    logger.info("rewrote model", extra={"model": weights.path.name, "bytes": len(content)})
    return target


def rewrite(model: bytes, *, free: FreeDimensions, keep_prelu: bool = False) -> bytes:
    """The ONNX file `model` with its quantised weights baked to float32, PRelu rewritten and dimensions freed."""
    import onnx

    proto = onnx.load_model_from_string(model)
    graph = proto.graph
    initial = {tensor.name: tensor for tensor in graph.initializer}
    baked: dict[str, NDArray[np.float32]] = {}
    nodes: list[Any] = []
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in initial:
            baked[node.output[0]] = _dequantised(node, initial)
        elif node.op_type == "Reshape" and node.input[0] in baked:
            shape = onnx.numpy_helper.to_array(initial[node.input[1]])
            baked[node.output[0]] = baked[node.input[0]].reshape(shape)
        elif node.op_type == "PRelu" and not keep_prelu:
            slope = onnx.numpy_helper.to_array(initial[node.input[1]])
            more, tensors = _prelu_as_convolutions(node, slope)
            nodes += more
            graph.initializer.extend(tensors)
        else:
            nodes.append(node)
    graph.initializer.extend(
        onnx.numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in baked.items()
    )
    _replace(graph.node, nodes)
    _drop_unused(graph)
    _free_dimensions(graph, free)
    # The shapes noted for inner tensors speak of the fixed input size.
    del graph.value_info[:]
    content: bytes = proto.SerializeToString()
    return content


def _dequantised(node: Any, initial: dict[str, Any]) -> NDArray[np.float32]:
    """(q - zero) * scale of a DequantizeLinear over a constant; scale a tensor, a channel or a block (opset 21)."""
    import onnx

    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    inputs = [onnx.numpy_helper.to_array(initial[name]).astype(np.float32) for name in node.input]
    quantised, scale = inputs[0], inputs[1]
    zero = inputs[2] if len(inputs) > 2 else np.zeros_like(scale)
    axis, block = attributes.get("axis", 1), attributes.get("block_size", 0)
    if block:
        length = range(quantised.shape[axis])
        scale = np.repeat(scale, block, axis).take(length, axis)
        zero = np.repeat(zero, block, axis).take(length, axis)
    elif scale.ndim == 1 and scale.size > 1:
        shape = [-1 if i == axis % quantised.ndim else 1 for i in range(quantised.ndim)]
        scale, zero = scale.reshape(shape), zero.reshape(shape)
    result: NDArray[np.float32] = ((quantised - zero) * scale).astype(np.float32)
    return result


def _prelu_as_convolutions(node: Any, slope: NDArray[Any]) -> tuple[list[Any], list[Any]]:
    """PRelu(x) = a * x + (1 - a) * relu(x), the two products as depthwise 1x1 convolutions.

    ONNX Runtime keeps Relu, Conv and Add in its blocked NCHWc layout; PRelu itself (or Max and Mul) costs a reorder of
    the whole tensor before and after.
    """
    import onnx

    source, output = node.input[0], node.output[0]
    a = slope.astype(np.float32).reshape(-1, 1, 1, 1)
    tensors = [
        onnx.numpy_helper.from_array(np.ascontiguousarray(a), f"{output}_a"),
        onnx.numpy_helper.from_array(np.ascontiguousarray(1 - a), f"{output}_b"),
    ]
    depthwise = {"group": len(a), "kernel_shape": [1, 1]}
    make = onnx.helper.make_node
    nodes = [
        make("Relu", [source], [f"{output}_r"]),
        make("Conv", [f"{output}_r", f"{output}_b"], [f"{output}_s"], **depthwise),
        make("Conv", [source, f"{output}_a"], [f"{output}_m"], **depthwise),
        make("Add", [f"{output}_m", f"{output}_s"], [output]),
    ]
    return nodes, tensors


def _drop_unused(graph: Any) -> None:
    """Remove constants nobody reads, and constants from the list of inputs (ONNX Runtime asks for those otherwise)."""
    used = {name for node in graph.node for name in node.input}
    _replace(graph.initializer, [tensor for tensor in graph.initializer if tensor.name in used])
    constants = {tensor.name for tensor in graph.initializer}
    _replace(graph.input, [value for value in graph.input if value.name in used - constants])


def _free_dimensions(graph: Any, free: FreeDimensions) -> None:
    for value in (*graph.input, *graph.output):
        for axis, name in free.get(value.name, {}).items():
            value.type.tensor_type.shape.dim[axis].dim_param = name


def _replace(repeated: Any, items: list[Any]) -> None:
    """Give a repeated protobuf field these items."""
    del repeated[:]
    repeated.extend(items)
