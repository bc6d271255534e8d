"""How a log record is written: one line, what was given as `extra` beside the message.

Only plain values (text, numbers, truth values) are written: a request, a form or an array that a library attaches to
its records may hold what no log should (names of people, pictures, vectors, keys).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from personas.log_context import fields

#: What every record has; the rest came as `extra`.
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
#: Extras of Django and Celery that repeat what users typed: SQL with its values, a task with its arguments.
_PRIVATE = frozenset({"sql", "params", "args", "kwargs", "data", "return_value"})


def extras_of(record: logging.LogRecord) -> dict[str, str | int | float | bool | None]:
    """What was logged as `extra`, by name, and what the work it belongs to says of every record."""
    return fields() | {
        name: value
        for name, value in sorted(record.__dict__.items())
        if name not in _STANDARD | _PRIVATE
        and not name.startswith("_")
        and (value is None or isinstance(value, str | int | float | bool))
    }


class LineFormatter(logging.Formatter):
    """For a terminal: `2026-01-01 12:00:00,000 INFO training.tasks: training attempt ended version=3 promoted=True`."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the standard library's name
        fields = [f"{name}={_quoted(value)}" for name, value in extras_of(record).items()]
        return " ".join([super().formatMessage(record), *fields])


class JsonFormatter(logging.Formatter):
    """For containers: one JSON object a line. Extras never hide what every record has."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            **extras_of(record),
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = record.stack_info
        return json.dumps(line, ensure_ascii=False)


class WithoutDriverTraces(logging.Filter):
    """The Cassandra driver logs a trace for every host that is away, every time it looks; its message says enough."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("cassandra."):
            record.exc_info = record.exc_text = None
        return True


def tells_news(record: logging.LogRecord) -> bool:
    """A filter: not that `/readyz` said no, which Django would log at each probe; `personas.readiness` says it once."""
    return getattr(getattr(record, "request", None), "path", "") != "/readyz"


def _quoted(value: object) -> str:
    text = str(value)
    return (
        json.dumps(text, ensure_ascii=False)
        if not text or any(not c.isprintable() or c in ' "=' for c in text)
        else text
    )


#: What django-environ takes for true.
_TRUE: Final = ("true", "on", "ok", "y", "yes", "1")
#: For `logging.config`; keyed by what LOG_FORMAT may be.
FORMATTERS = {
    "line": {"()": "faceproject.logs.LineFormatter", "format": "%(asctime)s %(levelname)s %(name)s: %(message)s"},
    "json": {"()": "faceproject.logs.JsonFormatter"},
}


def format_of(environment: Mapping[str, str]) -> str:
    """LOG_FORMAT, as it was set; else `line` for one person's terminal, and `json` where others are served.

    For gunicorn too, which logs before there are settings. A name that is none is refused by the system checks.
    """
    embedded = environment.get("EMBEDDED", "true").strip().lower() in _TRUE
    return environment.get("LOG_FORMAT") or ("line" if embedded else "json")
