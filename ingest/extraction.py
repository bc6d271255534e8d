"""The extractor that the settings choose, as a value that travels into worker processes and is built there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from ingest.vision import ExtractorConfig, FaceExtractor, build_extractor, tag
from ingest.vision.weights import SFACE, YUNET, find_weights


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractorSpec:
    """factory: dotted path of `(ExtractorConfig) -> FaceExtractor`. Loading it in a worker must not need Django."""

    config: ExtractorConfig
    factory: str = "ingest.extraction.embedded"

    def build(self) -> FaceExtractor:
        """Raises WeightsError and the other named errors of `ingest.vision`."""
        module, _, name = self.factory.rpartition(".")
        return cast(FaceExtractor, getattr(import_module(module), name)(self.config))


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractorTags:
    """Name and version of what finds and what embeds."""

    detector: str
    embedder: str

    @classmethod
    def of(cls, extractor: FaceExtractor) -> ExtractorTags:
        return cls(detector=tag(extractor.detector), embedder=tag(extractor.embedder))

    def __str__(self) -> str:
        """As it stands in `ImagePath.extractor`."""
        return f"{self.detector}, {self.embedder}"


def embedded(config: ExtractorConfig) -> FaceExtractor:
    """YuNet and SFace on this machine."""
    return build_extractor(config)


@cache
def extractor_of_process(spec: ExtractorSpec) -> FaceExtractor:
    """Built once a process, for work without a pool."""
    return spec.build()


def extractor_spec() -> ExtractorSpec:
    """What the Django settings say."""
    from django.conf import settings

    weights: dict[str, Any] = {}
    for kind in ("detector", "embedder"):
        path = getattr(settings, f"FACE_{kind.upper()}_WEIGHTS")
        weights[f"{kind}_weights"] = Path(path) if path else None
        weights[f"{kind}_sha256"] = getattr(settings, f"FACE_{kind.upper()}_WEIGHTS_SHA256") or None
    config = ExtractorConfig(
        cache_dir=Path(settings.CACHE_ROOT) / "models",
        runtime=settings.FACE_RUNTIME,
        precision=settings.FACE_PRECISION,
        max_pixels=settings.MAX_IMAGE_PIXELS,
        **weights,
    )
    return ExtractorSpec(config=config, factory=settings.FACE_EXTRACTOR)


@cache
def check_weights() -> None:
    """The weights of the chosen extractor are there and are what they should be; read once a process.

    Raises WeightsError.
    """
    config = extractor_spec().config
    find_weights(YUNET, path=config.detector_weights, sha256=config.detector_sha256)
    find_weights(SFACE, path=config.embedder_weights, sha256=config.embedder_sha256)
