"""SFace embedder (Zhong et al.: SFace, IEEE TIP 2021; weights: opencv_zoo): an aligned crop to 128 numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ingest.vision.onnx_rewrite import FreeDimensions
from ingest.vision.protocols import Floats, Pixels
from ingest.vision.runtime import Infer, open_onnxruntime, open_openvino
from ingest.vision.weights import VerifiedWeights

# The published file is fixed to one crop a call.
_FREE: FreeDimensions = {"data": {0: "N"}, "fc1": {0: "N"}}
# Milliseconds a face, one thread: 7.8 alone, 7.35 by two, 7.1 by four and by eight (OpenVINO bf16: 4.8, 4.1 by eight).
BATCH = 8


class SFaceEmbedder:
    """Cuts crops into batches, feeds the network and normalises what it gives.

    infer: the network, float32 (n, 3, 112, 112) to (n, 128). version: of weights, runtime and precision together.
    """

    name = "sface"
    dim = 128

    def __init__(self, infer: Infer, *, version: str) -> None:
        self.version = version
        self._infer = infer

    def embed(self, crops: Pixels) -> Floats:
        """crops: uint8 (n, 112, 112, 3), BGR, aligned. Returns float32 (n, 128), L2-normalised; n may be 0."""
        return self.embed_rated(crops, np.ones(len(crops), np.float32))[0]

    def embed_rated(self, crops: Pixels, scores: Floats) -> tuple[Floats, Floats]:
        """Embeddings of `crops` as by `embed`, and their quality, float32 (n,), 0..1; scores: float32 (n,)."""
        batches = (crops[start : start + BATCH] for start in range(0, len(crops), BATCH))
        vectors = np.vstack([np.empty((0, self.dim), np.float32), *(self._infer(as_network_input(b)) for b in batches)])
        lengths = np.linalg.norm(vectors, axis=1)
        embeddings = (vectors / np.maximum(lengths, 1e-12)[:, None]).astype(np.float32)
        return embeddings, expected_cosine(lengths, scores)


def sface_on_onnxruntime(weights: VerifiedWeights, *, cache_dir: Path, threads: int = 1) -> SFaceEmbedder:
    """SFace in fp32 on any CPU."""
    session = open_onnxruntime(weights, cache_dir=cache_dir, free=_FREE, threads=threads, one_by_one=True)

    def infer(blob: Floats) -> Floats:
        vectors: Floats = session.run(["fc1"], {"data": blob})[0]
        return vectors

    return SFaceEmbedder(infer, version=weights.version)


def sface_on_openvino(
    weights: VerifiedWeights, *, cache_dir: Path, threads: int = 1, precision: str = "bf16"
) -> SFaceEmbedder:
    """SFace on OpenVINO: in bf16 about twice as fast, embeddings at a cosine of .9995 to fp32's and tagged apart.

    Raises RuntimeUnavailableError.
    """
    infer = open_openvino(weights, cache_dir=cache_dir, free=_FREE, threads=threads, precision=precision)
    return SFaceEmbedder(infer, version=f"{weights.version}+ov-{precision}")


def as_network_input(crops: Pixels) -> Floats:
    """uint8 (n, 112, 112, 3) BGR to what SFace was trained on: float32 (n, 3, 112, 112), RGB, 0..255."""
    return np.ascontiguousarray(crops[..., ::-1].transpose(0, 3, 1, 2), dtype=np.float32)


def expected_cosine(lengths: Floats, scores: Floats) -> Floats:
    """The cosine to expect between these faces and a clear portrait of the same person; float32 (n,), 0..1.

    lengths: of the vectors before they were normalised. scores: of the detector. That a vector's length tells how sure
    the network is was made a training aim by MagFace (Meng et al., CVPR 2021) and seen without it by AdaFace (Kim et
    al., CVPR 2022). Fitted on 578 LFW faces, made small, blurred, covered or left as they were: rank correlation with
    the true cosine .78; the detector's score alone .65. Size, sharpness and frontality (ISO/IEC 29794-5) gave nothing:
    a bar over the eyes is sharp and large.
    """
    return np.clip(0.074 * lengths + 1.40 * scores - 1.51, 0, 1).astype(np.float32)
