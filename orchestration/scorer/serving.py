"""Which version answers: one that was exported, or whoever is champion, followed as it changes.

A request takes `served` once and is answered wholly by it; a swap replaces the value, never what is in it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from django.db import DatabaseError, close_old_connections

from personas.entities import LABELS
from personas.errors import FaceProjectError
from personas.store.base import Store
from training.champion import VersionRecogniser, recogniser_of
from training.model_folder import read_model_folder

logger = logging.getLogger(__name__)

#: How often the follower looks at the champion pointer, in seconds.
LOOK_SECONDS = 1.0


class OtherEmbedderError(FaceProjectError):
    """A version was trained on embeddings that this scorer does not make."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A version that answers. personas: {"id", "name"} of each class, in the order of the classifier's classes."""

    recogniser: VersionRecogniser
    personas: tuple[Mapping[str, str], ...]
    created_at: str  #: of the version, ISO 8601
    loaded_at: str  #: here, ISO 8601

    @property
    def version(self) -> int:
        return self.recogniser.version

    @property
    def embedder(self) -> str:
        return self.recogniser.embedder


class Source(Protocol):
    """Where the version comes from."""

    @property
    def served(self) -> Served | None:
        """The version in use now; None before the first."""

    @property
    def problem(self) -> str:
        """Why no newer version is in use, for people; "" when all is well."""

    def start(self) -> None:
        """Begin to follow, in the process that serves."""


class FolderSource:
    """One exported version, for as long as the process lives; no store and no database."""

    problem = ""

    def __init__(self, folder: Path, *, embedder: str) -> None:
        """embedder: tag of what embeds here. Raises ModelFolderError, OtherEmbedderError."""
        exported = read_model_folder(folder)
        _require_embedder(exported.recogniser, embedder, f"The model in {folder}")
        self.served: Served | None = _served(exported.recogniser, exported.names, exported.created_at)

    def start(self) -> None:
        """Nothing changes."""


class ChampionFollower:
    """The champion of a store. What fails to load leaves the version in use where it is."""

    def __init__(self, open_store: Callable[[], Store], *, media_root: str, embedder: str) -> None:
        self.open_store = open_store
        self.media_root = media_root
        self.embedder = embedder
        self.served: Served | None = None
        self.problem = "The champion has not been looked at yet."
        self._names_through = -1

    def start(self) -> None:
        threading.Thread(target=self._follow, name="champion-follower", daemon=True).start()

    def _follow(self) -> None:
        pause = threading.Event()
        while True:
            _close_old_connections()
            self.look()
            _close_old_connections()
            pause.wait(LOOK_SECONDS)

    def look(self) -> None:
        """Serve the champion, unless it is served already. Never raises: the reason is in `problem` and the log."""
        try:
            self._look()
        except OtherEmbedderError as error:
            self._say(str(error), error)
        except DatabaseError as error:
            self._say("The state repository does not answer. The scorer goes on asking.", error)
        except Exception as error:  # noqa: BLE001 - a follower that ends would serve an old version for ever, in silence
            self._say(f"The champion cannot be loaded ({type(error).__name__}). The log says more.", error)

    def _look(self) -> None:
        store = self.open_store()
        champion = store.champion()
        if champion is None:
            self._say("There is no version yet. Label faces, or run `manage.py train`.", None)
            return
        labels = store.head(LABELS)
        served = self.served
        if served is not None and served.version == champion.version:
            if labels != self._names_through:  # a persona may have another name
                self._serve(store, served.recogniser, served.created_at, labels)
        else:
            version = store.model_version(champion.version)
            if version is None:
                raise FaceProjectError(f"There is no version {champion.version}, though it is champion.")
            recogniser = recogniser_of(version, self.media_root)
            _require_embedder(recogniser, self.embedder, f"Version {version.version}")
            self._serve(store, recogniser, version.created_at.isoformat(), labels)
            logger.info("version in use", extra={"version": version.version})
        self.problem = ""

    def _serve(self, store: Store, recogniser: VersionRecogniser, created_at: str, labels: int) -> None:
        ids = recogniser.names
        names = {each: persona.name for each, persona in store.personas_by_id(ids).items()}
        self.served = _served(recogniser, names, created_at)
        self._names_through = labels

    def _say(self, problem: str, error: Exception | None) -> None:
        """Once a problem, however often it is met."""
        if problem == self.problem:
            return
        self.problem = problem
        kept = self.served.version if self.served else None
        logger.warning("champion not in use: %s", problem, exc_info=error, extra={"version_in_use": kept})


def _close_old_connections() -> None:
    """A connection that cannot be closed does not end the follower: `look` says whether the store answers."""
    try:
        close_old_connections()
    except Exception:  # a driver's
        logger.debug("A connection could not be closed.", exc_info=True)


def _served(recogniser: VersionRecogniser, names: Mapping[str, str], created_at: str) -> Served:
    return Served(
        recogniser=recogniser,
        personas=tuple(
            {"id": each, "name": names[each]} if each in names else {"id": each} for each in recogniser.names
        ),
        created_at=created_at,
        loaded_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _require_embedder(recogniser: VersionRecogniser, embedder: str, what: str) -> None:
    if recogniser.embedder != embedder:
        raise OtherEmbedderError(
            f"{what} was trained on embeddings of {recogniser.embedder}; this scorer makes those of {embedder}. Set "
            "FACE_RUNTIME, FACE_PRECISION and FACE_EMBEDDER_WEIGHTS as they were when it was trained, or train anew."
        )
