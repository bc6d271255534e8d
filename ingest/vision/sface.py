"""SFace embedder (Zhong et al.: SFace, IEEE TIP 2021; weights: opencv_zoo): an aligned crop to 128 numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ingest.vision.onnx_rewrite import FreeDimensions
from ingest.vision.protocols import Floats, Pixels
from ingest.vision.runtime import open_onnxruntime
from ingest.vision.weights import VerifiedWeights

# The published file is fixed to one crop a call.
_FREE: FreeDimensions = {"data": {0: "N"}, "fc1": {0: "N"}}
# Milliseconds a face, one thread: 8.0 alone, 8.5 by eight, 9.6 by sixteen: larger batches fall out of the cache.
BATCH = 8


class SFaceEmbedder:
    """SFace on ONNX Runtime, fp32."""

    name = "sface"
    dim = 128

    def __init__(self, weights: VerifiedWeights, *, cache_dir: Path, threads: int = 1) -> None:
        self.version = weights.version
        self._session = open_onnxruntime(weights, cache_dir=cache_dir, free=_FREE, threads=threads)

    def embed(self, crops: Pixels) -> Floats:
        """crops: uint8 (n, 112, 112, 3), BGR, aligned. Returns float32 (n, 128), L2-normalised; n may be 0."""
        batches = [crops[start : start + BATCH] for start in range(0, len(crops), BATCH)]
        vectors = [self._session.run(["fc1"], {"data": as_network_input(batch)})[0] for batch in batches]
        return normalised(np.vstack([np.empty((0, self.dim), np.float32), *vectors]))


def as_network_input(crops: Pixels) -> Floats:
    """uint8 (n, 112, 112, 3) BGR to what SFace was trained on: float32 (n, 3, 112, 112), RGB, 0..255."""
    return np.ascontiguousarray(crops[..., ::-1].transpose(0, 3, 1, 2), dtype=np.float32)


def normalised(vectors: Floats) -> Floats:
    """Rows scaled to length 1; float32 (n, dim)."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    result: Floats = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return result
