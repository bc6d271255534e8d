"""What a deployment remembers between two runs: `$FACEPROJECT_HOME/deployments/NAME.json`.

It is a help, not the truth: everything in it can be asked of Azure again, but for operations in flight, which a run
that was killed left behind. It never holds a secret. A lock beside it keeps two commands from working at once.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

from orchestration.deployment.errors import DeploymentError

FORMAT: Final = 1
Section = Literal["in_flight", "good", "facts"]


class StateError(DeploymentError):
    """The state file cannot be read, or another command holds it."""


class DeploymentState:
    """One deployment's memory; each change is on the disk when the call returns. Safe in threads.

    in_flight: key of a resource to the token of its operation; of an image, what is imported, too. good: key of a
    workload to the last body with which it became ready, secrets by name. facts: what was built, imported and uploaded
    ("image", "image:redis", "training"), and into which registry and share: another of the same name has nothing of it.
    """

    def __init__(self, path: Path) -> None:
        """Reads what is there. Raises StateError."""
        self.path = path
        self._lock = threading.Lock()
        self._held = self._read()

    def get(self, section: Section, key: str) -> Any:
        """What was remembered; None where nothing was."""
        with self._lock:
            return self._held[section].get(key)

    def items(self, section: Section) -> Mapping[str, Any]:
        """All of a section."""
        with self._lock:
            return dict(self._held[section])

    def fact(self, key: str) -> Mapping[str, Any]:
        """One of `facts`; empty where there is none."""
        found = self.get("facts", key)
        return found if isinstance(found, Mapping) else {}  # earlier versions wrote a text, which said too little

    def put(self, section: Section, key: str, value: Any) -> None:
        """Remember."""
        with self._lock:
            self._held[section][key] = value
            self._write()

    def drop(self, section: Section, key: str) -> None:
        """Forget; what is not there is fine."""
        with self._lock:
            if self._held[section].pop(key, None) is not None:
                self._write()

    def forget(self) -> None:
        """The deployment is gone."""
        with self._lock:
            self.path.unlink(missing_ok=True)
            self._held.update(in_flight={}, good={}, facts={})

    def _read(self) -> dict[str, Any]:
        empty: dict[str, Any] = {"format": FORMAT, "in_flight": {}, "good": {}, "facts": {}}
        try:
            found = json.loads(self.path.read_text())
        except FileNotFoundError:
            return empty
        except (OSError, ValueError) as error:
            raise StateError(f"{self.path} cannot be read ({error}). Move it away: it can be made again.") from error
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise StateError(
                f"{self.path} was written by another version of the product. Move it away: it can be made again."
            )
        return empty | found

    def _write(self) -> None:
        """Whole or not at all, and there after a power cut."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = self.path.with_suffix(".new")
        with fresh.open("w") as file:
            json.dump(self._held, file, indent=1, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Work on the deployment alone, until the process ends however it ends. Raises StateError.

        What is there is read again: another command may have worked on it since.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.path.with_suffix(".lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise StateError(
                    f"Another command works on this deployment ({self.path}). Wait for it, or end it."
                ) from error
            with self._lock:
                self._held = self._read()
            yield
