"""The embedded transport's files: whole or not there, each for one reader."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from kombu import Connection

from orchestration.folder_transport import Transport
from orchestration.queues import folder_options


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "messages").mkdir()
    return tmp_path


def connect(folder: Path) -> Connection:
    return Connection("filesystem://", transport=Transport, transport_options=folder_options(folder))


def sent(folder: Path, *bodies: int, queue: str = "ingest") -> None:
    with connect(folder) as connection:
        for body in bodies:
            connection.default_channel.basic_publish(
                connection.default_channel.prepare_message(str(body)), exchange="", routing_key=queue
            )


def taken(folder: Path, queue: str = "ingest") -> list[int]:
    """All that is there, through a connection of its own."""
    with connect(folder) as connection:
        found = []
        while message := connection.default_channel.basic_get(queue):
            found.append(int(message.body))
            message.ack()
        return found


def test_messages_come_in_their_order_and_leave_no_file(folder):
    sent(folder, *range(20))
    assert taken(folder) == list(range(20))
    assert not [path for path in folder.rglob("*") if path.is_file()]


def test_a_queue_gives_its_own_messages_only(folder):
    sent(folder, 1)
    sent(folder, 2, queue="training")
    sent(folder, 3, queue="ingest.other")
    assert taken(folder) == [1]


def test_many_readers_at_once_get_each_message_once(folder):
    sent(folder, *range(300))
    with ThreadPoolExecutor(6) as pool:
        found = [body for bodies in pool.map(lambda _: taken(folder), range(6)) for body in bodies]
    assert sorted(found) == list(range(300))


def test_a_file_that_is_being_written_is_no_message_yet(folder):
    sent(folder, 1)
    (message,) = (folder / "messages").iterdir()
    message.rename(message.with_name(f".{message.name}.part"))
    assert taken(folder) == []


def test_a_file_that_cannot_be_read_is_dropped_and_the_rest_goes_on(folder, caplog):
    (folder / "messages" / "0_x.ingest.msg").write_text("{")
    sent(folder, 1)
    with caplog.at_level("WARNING"):
        assert taken(folder) == [1]
    assert "cannot be read" in caplog.text


def test_what_was_taken_and_not_acknowledged_is_there_again_after_an_orderly_end(folder):
    sent(folder, 1)
    with connect(folder) as connection:
        assert connection.default_channel.basic_get("ingest") is not None
    assert taken(folder) == [1]
