"""What people do, in short, for the tests of taking back; and how it is cut short or overtaken."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from personas.entities import FaceKey, Verdict
from personas.services import curation, labelling, undo
from personas.store.base import Store
from tests import factories as make


def by(name: str | int | None = None) -> dict[str, object]:
    return {"actor": "tester", "at": make.NOW, "command_id": make.command_id(name)}


def label(store: Store, persona_id: str, *faces: FaceKey, verdict: Verdict = Verdict.BELONGS, **command: object) -> str:
    command = command or by()
    labelling.label_faces(store=store, persona_id=persona_id, faces=faces, verdict=verdict, **command)  # type: ignore[arg-type]
    return str(command["command_id"])


def take_back(store: Store, command_id: str) -> undo.Undone:
    return undo.undo_command(store=store, command_id=command_id, actor="tester", at=make.NOW)


def said(store: Store, *keys: FaceKey) -> list[dict[str, bool]]:
    now = labelling.said_of(store, keys)
    return [now.get(key, {}) for key in keys]


def merging(store: Store, persona_id: str, into: str) -> tuple[str, Callable[[], object]]:
    command = by()
    return str(command["command_id"]), lambda: curation.merge_personas(
        store=store,
        persona_id=persona_id,
        into=into,
        **command,  # type: ignore[arg-type]
    )


# ---- killed, overtaken -----------------------------------------------------------------------------------------------
def cut_after(store: Store, n_events: int, act: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Do something that is killed when so many of its events are in the log."""
    record = store.record

    def cut_short(stream: str, events: list[object]) -> object:
        record(stream, events[:n_events])  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store, "record", cut_short)
        with pytest.raises(KeyboardInterrupt):
            act()


def just_before_recording(store: Store, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Have something happen between what the next command looks at and what it records."""
    record = store.record

    def late(stream: str, events: list[object]) -> object:
        monkeypatch.setattr(store, "record", record)
        act()
        return record(stream, events)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "record", late)
