"""Rewrites the published ONNX files once, into files that ONNX Runtime can run, and run fast.

Both files carry block-quantised weights that ONNX Runtime refuses as shipped. What else is rewritten, by its measured
worth for SFace (CPU time of one thread of a Zen 5 server, minima of 32 runs, ms a face):

| rewrite                                                                         | one face | of a batch of 8 |
|---------------------------------------------------------------------------------|---------:|----------------:|
| weights baked                                                                   |       24 |              29 |
| PRelu as Relu, two depthwise 1x1 convolutions and Add, all in the blocked layout |      8.1 |             9.5 |
| PRelu as two convolutions, the second with Relu and Add fused; folded into strided ones | 7.6 |            8.5 |
| … and faces one by one up to the last layer, which takes the batch at once      |      7.8 |         **7.1** |

5.1 ms of that are the 1x1 convolutions, which run at 230 GFLOP/s, near what the core can do. Outputs equal the original
to float rounding (cosine over .999999). The result is plain fp32 ONNX (any runtime reads it; nothing in it is specific
to a CPU) and is cached by the hash of its source and of what was asked for.
"""

from __future__ import annotations

import hashlib
import logging
import os
import uuid
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.vision.weights import VerifiedWeights

logger = logging.getLogger(__name__)

# Bump when the rewrite changes: files cached by earlier ones are then no longer used.
REWRITE_VERSION = 2

# input name or output name -> {axis: symbolic name}; dimensions the published files fix and we want free.
FreeDimensions = dict[str, dict[int, str]]


def rewritten(
    weights: VerifiedWeights,
    *,
    cache_dir: Path,
    free: FreeDimensions,
    keep_prelu: bool = False,
    one_by_one: bool = False,
) -> Path:
    """The rewritten file of `weights` in `cache_dir`, made if it is not there.

    keep_prelu: leave PRelu as it is, for OpenVINO, which fuses it (4.8 against 6.1 ms a face in bf16). one_by_one: let
    the items of a batch through one after the other up to the last layer.

    Several processes may race: each writes a file of its own and renames it into place, all with the same content.
    """
    recipe = hashlib.sha256(repr((REWRITE_VERSION, sorted(free.items()), keep_prelu, one_by_one)).encode()).hexdigest()
    target = cache_dir / f"{weights.path.stem}-{weights.sha256[:16]}-{recipe[:8]}.onnx"
    if target.exists():
        return target
    content = rewrite(weights.path.read_bytes(), free=free, keep_prelu=keep_prelu, one_by_one=one_by_one)
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


def rewrite(model: bytes, *, free: FreeDimensions, keep_prelu: bool = False, one_by_one: bool = False) -> bytes:
    """The ONNX file `model` with its quantised weights baked to float32, PRelu rewritten and dimensions freed."""
    import onnx

    proto = onnx.load_model_from_string(model)
    graph = proto.graph
    _bake(graph)
    if not keep_prelu:
        _fold_batch_norms(graph)
        _rewrite_prelus(graph)
    if one_by_one:
        _one_by_one(graph, _shapes(proto))
    _drop_unused(graph)
    _free_dimensions(graph, free)
    # The shapes noted for inner tensors speak of the fixed input size.
    del graph.value_info[:]
    content: bytes = proto.SerializeToString()
    return content


def _bake(graph: Any) -> None:
    """Weights that are dequantised, and then perhaps reshaped, as what comes out of that."""
    import onnx

    initial = {tensor.name: tensor for tensor in graph.initializer}
    baked: dict[str, NDArray[np.float32]] = {}
    nodes = []
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in initial:
            baked[node.output[0]] = _dequantised(node, initial)
        elif node.op_type == "Reshape" and node.input[0] in baked:
            shape = onnx.numpy_helper.to_array(initial[node.input[1]])
            baked[node.output[0]] = baked[node.input[0]].reshape(shape)
        else:
            nodes.append(node)
    _replace(graph.node, nodes)
    _add_constants(graph, baked)


def _dequantised(node: Any, initial: dict[str, Any]) -> NDArray[np.float32]:
    """(q - zero) * scale of a DequantizeLinear over a constant; scale a tensor, a channel or a block (opset 21)."""
    import onnx

    attributes = _attributes(node)
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


def _fold_batch_norms(graph: Any) -> None:
    """BatchNormalization into the convolution before it, which ONNX Runtime does too, but not once PRelu was folded."""
    constants, producers, readers = _constants(graph), _producers(graph), _readers(graph)
    folded: dict[str, NDArray[Any]] = {}
    nodes = []
    for node in graph.node:
        conv = producers.get(node.input[0]) if node.op_type == "BatchNormalization" else None
        if conv is None or conv.op_type != "Conv" or len(conv.input) > 2 or len(readers[conv.output[0]]) > 1:
            nodes.append(node)
            continue
        gamma, beta, mean, variance = (constants[name].astype(np.float64) for name in node.input[1:5])
        factor = gamma / np.sqrt(variance + _attributes(node).get("epsilon", 1e-5))
        output = node.output[0]
        folded[f"{output}_w"] = constants[conv.input[1]] * factor[:, None, None, None]
        folded[f"{output}_bias"] = beta - mean * factor
        _replace(conv.input, [conv.input[0], f"{output}_w", f"{output}_bias"])
        conv.output[0] = output
    _replace(graph.node, nodes)
    _add_constants(graph, folded)


def _rewrite_prelus(graph: Any) -> None:
    """PRelu(x) = a * x + (1 - a) * relu(x) in convolutions.

    ONNX Runtime keeps Conv, Relu and Add in its blocked NCHWc layout and computes them in one pass where it can; PRelu
    itself (or Max and Mul) costs a reorder of the whole tensor before and after. Slopes are one a channel.
    """
    constants, producers, readers = _constants(graph), _producers(graph), _readers(graph)
    tensors: dict[str, NDArray[Any]] = {}
    slopes: dict[str, NDArray[np.float32]] = {}  #: of PRelus that are folded into the convolution behind, by output
    nodes: list[Any] = []
    for node in graph.node:
        if node.op_type == "PRelu":
            slope = constants[node.input[1]].astype(np.float32).reshape(-1, 1, 1, 1)
            behind = readers[node.output[0]]
            if len(behind) == 1 and _takes_prelu(behind[0], slope):
                slopes[node.output[0]] = slope
            else:
                nodes += _prelu_alone(node, slope, tensors)
        elif node.input and node.input[0] in slopes:
            source = producers[node.input[0]].input[0]
            nodes += _prelu_folded(node, source, slopes[node.input[0]], constants[node.input[1]], tensors)
        else:
            nodes.append(node)
    _replace(graph.node, nodes)
    _add_constants(graph, tensors)


def _takes_prelu(node: Any, slope: NDArray[np.float32]) -> bool:
    """Whether the PRelu before `node` costs less inside it: a depthwise convolution that leaves out pixels does as much
    work a second time as one that only scales. (Without a stride both ways are equal, within 1 %.)"""
    if node.op_type != "Conv" or _attributes(node).get("group", 1) != len(slope):
        return False
    return max(_attributes(node).get("strides", [1])) > 1 or bool((slope > 1).any())


def _prelu_folded(
    node: Any, source: str, slope: NDArray[np.float32], weights: NDArray[Any], tensors: dict[str, NDArray[Any]]
) -> list[Any]:
    """A depthwise convolution of PRelu(source): of `source` and of its Relu with scaled weights, and their sum."""
    import onnx

    output, bias, attributes = node.output[0], list(node.input[2:]), _attributes(node)
    tensors[f"{output}_a"], tensors[f"{output}_b"] = slope * weights, (1 - slope) * weights
    make = onnx.helper.make_node
    return [
        make("Relu", [source], [f"{output}_r"]),
        make("Conv", [f"{output}_r", f"{output}_b"], [f"{output}_s"], **attributes),
        make("Conv", [source, f"{output}_a", *bias], [f"{output}_m"], **attributes),
        make("Add", [f"{output}_m", f"{output}_s"], [output]),
    ]


def _prelu_alone(node: Any, slope: NDArray[np.float32], tensors: dict[str, NDArray[Any]]) -> list[Any]:
    """PRelu as depthwise 1x1 convolutions.

    With slopes up to 1, (1 - a) * relu(x) = relu((1 - a) * x), and the Relu costs nothing behind its convolution.
    """
    import onnx

    source, output = node.input[0], node.output[0]
    tensors[f"{output}_a"], tensors[f"{output}_b"] = slope, 1 - slope
    depthwise = {"group": len(slope), "kernel_shape": [1, 1]}
    make = onnx.helper.make_node
    first, second = ("Conv", "Relu") if (slope <= 1).all() else ("Relu", "Conv")
    scaling = {"Conv": ([f"{output}_b"], depthwise), "Relu": ([], {})}
    return [
        make(first, [source, *scaling[first][0]], [f"{output}_r"], **scaling[first][1]),
        make(second, [f"{output}_r", *scaling[second][0]], [f"{output}_s"], **scaling[second][1]),
        make("Conv", [source, f"{output}_a"], [f"{output}_m"], **depthwise),
        make("Add", [f"{output}_m", f"{output}_s"], [output]),
    ]


def _one_by_one(graph: Any, shapes: dict[str, list[int]]) -> None:
    """Items of a batch one after the other up to the Flatten before the last layer, as the body of a Scan.

    The maps of several faces do not fit the cache together; the weights of the last layer (26 MB of SFace's 38) do not
    fit it at all, and are read once a batch. What comes out is the same to the bit for every size of batch. shapes: of
    tensors, for one item; without the shape of what it gives, a Scan collects copies (8.3 ms a face, not 7.1).
    """
    import onnx

    last = max(i for i, node in enumerate(graph.node) if node.op_type == "Flatten")
    each, rest = list(graph.node[: last + 1]), list(graph.node[last + 1 :])
    source, flat = graph.input[0].name, each[-1].output[0]
    inside = {name for node in each for name in node.input}
    constants = [tensor for tensor in graph.initializer if tensor.name in inside]
    for node in each:
        _replace(node.input, ["one" if name == source else name for name in node.input])
    make, value, floats = onnx.helper.make_node, onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    nodes = [make("Unsqueeze", ["item", "first"], ["one"]), *each, make("Squeeze", [flat, "first"], ["row"])]
    body = onnx.helper.make_graph(
        nodes,
        "each",
        [value("item", floats, shapes[source][1:])],
        [value("row", floats, shapes[flat][1:])],
        [*constants, onnx.numpy_helper.from_array(np.array([0]), "first")],
    )
    _replace(graph.node, [make("Scan", [source], [flat], body=body, num_scan_inputs=1), *rest])


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


def _shapes(proto: Any) -> dict[str, list[int]]:
    """Of every tensor, as the published file fixes them."""
    import onnx

    graph = onnx.shape_inference.infer_shapes(proto).graph
    values = (*graph.input, *graph.value_info, *graph.output)
    return {each.name: [dimension.dim_value for dimension in each.type.tensor_type.shape.dim] for each in values}


def _attributes(node: Any) -> dict[str, Any]:
    import onnx

    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}


def _constants(graph: Any) -> dict[str, NDArray[Any]]:
    import onnx

    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}


def _add_constants(graph: Any, arrays: dict[str, NDArray[Any]]) -> None:
    import onnx

    graph.initializer.extend(
        onnx.numpy_helper.from_array(np.ascontiguousarray(array, np.float32), name) for name, array in arrays.items()
    )


def _producers(graph: Any) -> dict[str, Any]:
    """The node that makes each tensor."""
    return {name: node for node in graph.node for name in node.output}


def _readers(graph: Any) -> dict[str, list[Any]]:
    """The nodes that take each tensor."""
    readers: dict[str, list[Any]] = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            readers[name].append(node)
    return readers
