"""The extractor that the settings choose, as a value that travels into worker processes and is built there."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from ingest.vision import ExtractorConfig, FaceExtractor, build_extractor, tag
from ingest.vision.azure_errors import LimitedAccessError
from ingest.vision.azure_face import AT_ONCE, AzureFace, AzureFaceDetector
from ingest.vision.weights import SFACE, YUNET, find_weights

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractorSpec:
    """factory: dotted path of `(ExtractorConfig) -> FaceExtractor`. Loading it in a worker must not need Django."""

    config: ExtractorConfig
    factory: str = "ingest.extraction.embedded"

    def build(self) -> FaceExtractor:
        """Raises WeightsError and the other named errors of `ingest.vision`."""
        module, _, name = self.factory.rpartition(".")
        return cast(FaceExtractor, getattr(import_module(module), name)(self.config))

    @property
    def patience(self) -> float:
        """Seconds that a picture may wait for a detector elsewhere, beside the time its extraction takes."""
        return self.config.azure.patience if self.config.azure else 0.0

    def impatient(self, seconds: float) -> ExtractorSpec:
        """The same for a page that somebody waits for."""
        azure = self.config.azure
        return (
            self
            if azure is None
            else replace(self, config=replace(self.config, azure=replace(azure, patience=seconds)))
        )

    @property
    def pictures_under_way(self) -> int:
        """Pictures that the detector looks at side by side."""
        return AT_ONCE[self.config.azure.tier] if self.config.azure else 1


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


def azure(config: ExtractorConfig) -> FaceExtractor:
    """Azure Face, and SFace on this machine.

    With a fallback the service is asked once whether it is ours to use: all pictures of a process have one detector.
    Raises RuntimeUnavailableError, and with a fallback what `AzureFaceDetector.detect` raises.
    """
    assert config.azure is not None
    detector = AzureFaceDetector(config.azure)
    if config.azure.fallback:
        try:
            detector.require_access()
        except LimitedAccessError as error:
            logger.warning("The embedded detector finds the faces instead. %s", error)
            return build_extractor(config)
    return build_extractor(config, detector=detector)


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
        azure=_azure_face() if settings.FACE_DETECTOR == "azure" else None,
        **weights,
    )
    return ExtractorSpec(config=config, factory=settings.FACE_EXTRACTOR)


def _azure_face() -> AzureFace:
    from django.conf import settings

    redis_url = settings.CELERY_BROKER_URL if "redis" in settings.CELERY_BROKER_URL.partition(":")[0] else ""
    return AzureFace(
        endpoint=settings.AZURE_FACE_ENDPOINT,
        key=settings.AZURE_FACE_KEY,
        rate_folder=Path(settings.CACHE_ROOT),
        tier=settings.AZURE_FACE_TIER,
        fallback=settings.FACE_DETECTOR_FALLBACK == "embedded",
        ca_bundle=settings.AZURE_CA_BUNDLE,
        redis_url=redis_url,
        redis_ca=getattr(settings, "CELERY_BROKER_USE_SSL", {}).get("ssl_ca_certs", ""),
        key_prefix=settings.CELERY_BROKER_TRANSPORT_OPTIONS.get("global_keyprefix", "faceproject:"),
    )


@cache
def check_weights() -> None:
    """The weights of the chosen extractor are there and are what they should be; read once a process.

    Raises WeightsError.
    """
    config = extractor_spec().config
    find_weights(YUNET, path=config.detector_weights, sha256=config.detector_sha256)
    find_weights(SFACE, path=config.embedder_weights, sha256=config.embedder_sha256)
