"""What must hold when an installation has come to rest, whatever was killed on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tests.installation import Installation
from tests.kill.scenario import Round, commands


def require_sound(installation: Installation, rounds: Sequence[Round]) -> None:
    """Raises AssertionError."""
    _require_gapless_events(installation)
    _require_each_command_once(installation, rounds)
    _require_one_champion(installation)
    _require_no_job_stuck(installation)


def _require_gapless_events(installation: Installation) -> None:
    for stream in ("labels", "ingest"):
        events = installation.ask("events", stream=stream)
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1)), f"gaps in {stream}"
        twice = [event_id for event_id, n in Counter(event["event_id"] for event in events).items() if n > 1]
        assert not twice, f"recorded twice in {stream}: {twice}"


def _require_each_command_once(installation: Installation, rounds: Sequence[Round]) -> None:
    recorded = Counter(event["command_id"] for event in installation.ask("events", stream="labels"))
    for said in commands(rounds):
        assert recorded[said.command_id] == said.events, f"{said} has {recorded[said.command_id]} events"


def _require_one_champion(installation: Installation) -> None:
    progress, versions = installation.ask("progress"), installation.ask("versions")
    status = {version["version"]: version["status"] for version in versions}
    assert status[progress["champion"]] == "ready"
    assert "publishing" not in status.values(), status
    # The line in the audit log follows the switch, so a kill in between may cost the line, never the count.
    switches = [entry for entry in installation.ask("audits") if entry["action"] == "champion_switched"]
    assert len(switches) <= progress["revision"]


def _require_no_job_stuck(installation: Installation) -> None:
    for job in installation.ask("jobs"):
        assert job["status"] == "done", job
        waiting = [share for share in installation.ask("shares", job_id=job["job_id"]) if share["status"] != "done"]
        assert not waiting, (job, waiting)
