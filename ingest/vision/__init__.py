"""Face extraction without Django: bytes of a picture in, boxes, landmarks and embeddings out.

extractor = build_extractor(ExtractorConfig(cache_dir=home / "models"))
for outcome in extractor.extract_many(contents):  # Extraction | PictureError
    ...
"""

import os

# ONNX Runtime reports to its maker unless told not to before it is imported. Nothing leaves this machine.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from ingest.vision.extractor import ExtractorConfig, FaceExtractor, build_detector, build_embedder, build_extractor
from ingest.vision.pictures import Picture, PictureError, decode
from ingest.vision.protocols import DetectedFace, ExtractedFace, Extraction, FaceDetector, FaceEmbedder, tag
from ingest.vision.runtime import RuntimeUnavailableError
from ingest.vision.weights import WeightsAlteredError, WeightsError, WeightsMissingError

__all__ = [
    "DetectedFace",
    "ExtractedFace",
    "Extraction",
    "ExtractorConfig",
    "FaceDetector",
    "FaceEmbedder",
    "FaceExtractor",
    "Picture",
    "PictureError",
    "RuntimeUnavailableError",
    "WeightsAlteredError",
    "WeightsError",
    "WeightsMissingError",
    "build_detector",
    "build_embedder",
    "build_extractor",
    "decode",
    "tag",
]
