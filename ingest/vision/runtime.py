"""Opens a model file for inference: ONNX Runtime by default, OpenVINO as an extra. Both are imported only when used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ingest.vision.onnx_rewrite import FreeDimensions, rewritten
from ingest.vision.protocols import Floats
from ingest.vision.weights import VerifiedWeights
from personas.errors import FaceProjectError

# A network with one input and one output.
Infer = Callable[[Floats], Floats]


class RuntimeUnavailableError(FaceProjectError):
    """The runtime or precision an operator chose does not exist on this machine."""


def open_onnxruntime(
    weights: VerifiedWeights, *, cache_dir: Path, free: FreeDimensions, threads: int, one_by_one: bool = False
) -> Any:
    """An ONNX Runtime session over the rewritten file of `weights`, on the CPU with `threads` threads.

    one_by_one: let the items of a batch through one after the other up to the last layer (onnx_rewrite.py).
    A cached file that does not load (a disk that was full, a half-restored backup) is made anew once.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Pictures come in all sizes; a plan kept for each size would only cost memory.
    options.enable_mem_pattern = False
    path = rewritten(weights, cache_dir=cache_dir, free=free, one_by_one=one_by_one)
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception:  # noqa: BLE001  ONNX Runtime's errors share no base class but Exception
        path.unlink(missing_ok=True)
        path = rewritten(weights, cache_dir=cache_dir, free=free, one_by_one=one_by_one)
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def open_openvino(
    weights: VerifiedWeights, *, cache_dir: Path, free: FreeDimensions, threads: int, precision: str
) -> Infer:
    """The model on OpenVINO's CPU plugin with one input and one output, in `precision` (`bf16` or `f32`), explicitly.

    OpenVINO silently computes in bf16 where the CPU can; embeddings must say what made them, so nothing is left to it.
    Raises RuntimeUnavailableError when OpenVINO is not installed or the CPU has no such precision.
    """
    try:
        import openvino
        from openvino.properties import hint, inference_num_threads, num_streams
    except ImportError as error:
        raise RuntimeUnavailableError(
            "The runtime openvino is chosen and not installed. Run `pip install -r requirements-openvino.txt`, or "
            "choose onnxruntime."
        ) from error
    core = openvino.Core()
    capability = {"bf16": "BF16", "f32": "FP32"}.get(precision)
    if capability is None:
        raise RuntimeUnavailableError(f"OpenVINO's precision is bf16 or f32, not {precision!r}. Choose one of them.")
    if capability not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise RuntimeUnavailableError(
            f"This CPU does not compute in {precision} (bf16 needs AVX-512 BF16 or AMX). Choose precision f32, or the "
            "runtime onnxruntime, which is faster in f32."
        )
    path = rewritten(weights, cache_dir=cache_dir, free=free, keep_prelu=True)
    compiled = core.compile_model(
        core.read_model(str(path)),
        "CPU",
        {
            hint.inference_precision(): openvino.Type.bf16 if precision == "bf16" else openvino.Type.f32,
            hint.performance_mode(): hint.PerformanceMode.LATENCY,
            inference_num_threads(): threads,
            num_streams(): 1,
        },
    )
    request, output = compiled.create_infer_request(), compiled.output(0)

    def infer(blob: Floats) -> Floats:
        # A copy: the request writes its next output into the same memory.
        return np.array(request.infer({0: blob}, share_inputs=True)[output], np.float32)

    return infer
