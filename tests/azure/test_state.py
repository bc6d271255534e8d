"""What a deployment remembers between two runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.azure.state import DeploymentState, StateError


def test_what_was_put_is_there_for_the_next_run_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deployments" / "faces.json"
    DeploymentState(path).put("in_flight", "cassandra", "token")
    later = DeploymentState(path)
    assert later.get("in_flight", "cassandra") == "token"
    assert path.parent.stat().st_mode & 0o777 == 0o700
    later.drop("in_flight", "cassandra")
    assert DeploymentState(path).items("in_flight") == {}


def test_two_commands_at_once_are_one_too_many(tmp_path: Path) -> None:
    path = tmp_path / "faces.json"
    with (
        DeploymentState(path).locked(),
        pytest.raises(StateError, match="Another command"),
        DeploymentState(path).locked(),
    ):
        pass
    with DeploymentState(path).locked():
        pass


@pytest.mark.parametrize("content", ["{", '{"format": 0}', "[]"])
def test_a_file_that_is_none_of_ours_says_what_to_do(tmp_path: Path, content: str) -> None:
    path = tmp_path / "faces.json"
    path.write_text(content)
    with pytest.raises(StateError, match="Move it away"):
        DeploymentState(path)


def test_what_another_command_remembered_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "faces.json"
    late = DeploymentState(path)  # made before the other ends, and has to sign in first
    with (other := DeploymentState(path)).locked():
        other.put("facts", "image", {"reference": "faceproject:2"})
    with late.locked():
        late.put("good", "group:web", {"properties": {}})
    assert DeploymentState(path).fact("image") == {"reference": "faceproject:2"}


def test_what_another_command_forgot_meanwhile_stays_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "faces.json"
    DeploymentState(path).put("facts", "image", {"reference": "faceproject:2"})
    late = DeploymentState(path)
    with (other := DeploymentState(path)).locked():
        other.forget()
    with late.locked():
        assert late.fact("image") == {}
