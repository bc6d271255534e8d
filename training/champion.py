"""The champion as a Recogniser: loaded from its artefact, cached by version, plugged into the port that pages ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from personas.entities import FaceKey, FloatArray, ModelVersion, Prediction
from personas.errors import FaceProjectError, NotFoundError
from personas.media import MediaFolder
from personas.recogniser import Recogniser
from personas.store.base import Store
from training.artefact import load_classifier
from training.classifier import PersonaClassifier

#: In a version's metrics: when its artefact was withdrawn, because it learnt from pictures that were erased.
WITHDRAWN = "withdrawn"


class ArtefactWithdrawnError(FaceProjectError):
    """The artefact of a version is gone for good, on purpose."""


def require_artefact(version: ModelVersion) -> None:
    """Raises ArtefactWithdrawnError."""
    if WITHDRAWN in version.metrics:
        on = datetime.fromisoformat(version.metrics[WITHDRAWN])
        raise ArtefactWithdrawnError(
            f"Version {version.version} learnt from pictures that were erased for good, so its artefact was withdrawn"
            f" on {on:%-d %B %Y}. Use another version; `manage.py train` makes one."
        )


def artefacts(media_root: str | Path) -> MediaFolder:
    """Where artefacts of model versions lie."""
    return MediaFolder(Path(media_root), "artefacts")


class VersionRecogniser:
    """A version that answers for single faces, exactly as its ranked pages do."""

    def __init__(self, version: int, embedder: str, classifier: PersonaClassifier) -> None:
        self.version = version
        self.embedder = embedder
        self.classifier = classifier
        self.names = tuple(str(name) for name in classifier.classes_)  #: persona ids, by class

    def predict(
        self,
        keys: Sequence[FaceKey],
        embeddings: FloatArray,
        *,
        rejected: Mapping[FaceKey, frozenset[str]],
        n_candidates: int = 0,
    ) -> list[Prediction]:
        claims = self.classifier.claims(
            embeddings, excluded=self.excluded(keys, rejected), n_candidates=max(n_candidates, 1)
        )
        names = self.names
        predictions = []
        for row, key in enumerate(keys):
            accepted = bool(claims.accepted[row])
            pairs = zip(claims.candidates[row].tolist(), claims.candidate_probability[row].tolist(), strict=True)
            candidates = tuple((names[c], round(p, 6)) for c, p in pairs) if n_candidates else ()
            predictions.append(
                Prediction(
                    key=key,
                    persona_id=names[claims.class_index[row]] if accepted else None,
                    probability=round(float(claims.probability[row]), 6) if accepted else None,
                    version=self.version,
                    candidates=candidates,
                )
            )
        return predictions

    def excluded(
        self, keys: Sequence[FaceKey], rejected: Mapping[FaceKey, frozenset[str]]
    ) -> list[tuple[int, int]] | None:
        """(row, class) pairs that must not be claimed."""
        index = {name: number for number, name in enumerate(self.names)}
        pairs = [
            (row, index[persona_id])
            for row, key in enumerate(keys)
            for persona_id in rejected.get(key, ())
            if persona_id in index
        ]
        return pairs or None


def load_recogniser(store: Store, number: int, media_root: str | Path) -> VersionRecogniser:
    """Raises NotFoundError (no such version), MediaMissingError, ArtefactCorrupt, ArtefactIncompatible."""
    version = store.model_version(number)
    if version is None:
        raise NotFoundError(f"There is no version {number}; `manage.py models` lists them.")
    return recogniser_of(version, media_root)


def recogniser_of(version: ModelVersion, media_root: str | Path) -> VersionRecogniser:
    require_artefact(version)
    return recogniser_from(version.version, version.embedder, version.artefact, media_root)


def recogniser_from(version: int, embedder: str, artefact: str, media_root: str | Path) -> VersionRecogniser:
    """Of a version whose row need not be read. artefact: its SHA-256."""
    return _cached(version, embedder, artefact, str(media_root))


@lru_cache(maxsize=4)
def _cached(number: int, embedder: str, artefact: str, media_root: str) -> VersionRecogniser:
    folder = artefacts(media_root)
    if not folder.exists(artefact):
        folder.read(artefact)  # says what is missing and what to do
    classifier = load_classifier(folder.path(artefact), sha256=artefact)
    return VersionRecogniser(number, embedder, classifier)


def current_champion() -> Recogniser | None:
    """The champion of this process's store; one small read, the artefact is loaded once a version."""
    from django.conf import settings

    from personas.store import get_store

    store = get_store()
    champion = store.champion()
    return load_recogniser(store, champion.version, settings.MEDIA_ROOT) if champion else None
