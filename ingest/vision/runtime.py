"""Opens a model file for inference: ONNX Runtime by default, OpenVINO as an extra. Both are imported only when used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ingest.vision.onnx_rewrite import FreeDimensions, rewritten
from ingest.vision.weights import VerifiedWeights


def open_onnxruntime(weights: VerifiedWeights, *, cache_dir: Path, free: FreeDimensions, threads: int) -> Any:
    """An ONNX Runtime session over the rewritten file of `weights`, on the CPU with `threads` threads.

    A cached file that does not load (a disk that was full, a half-restored backup) is made anew once.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Pictures come in all sizes; a plan kept for each size would only cost memory.
    options.enable_mem_pattern = False
    path = rewritten(weights, cache_dir=cache_dir, free=free)
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception:  # noqa: BLE001  ONNX Runtime's errors share no base class but Exception
        path.unlink(missing_ok=True)
        path = rewritten(weights, cache_dir=cache_dir, free=free)
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
