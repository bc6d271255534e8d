"""What every log record of a piece of work carries: the request or the task it belongs to, and the process's role.

A request id ties the lines of one request together, and to the proxy's; a task id those of one attempt at a task.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Final

#: The environment variable in which a process of a role, and what it starts, find the role's name.
ROLE_VARIABLE: Final = "FACEPROJECT_ROLE"
#: A request id of somebody else's that may stand in our logs and headers: short, and nothing that breaks a line.
_SANE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_fields: ContextVar[MappingProxyType[str, str]] = ContextVar("log_fields", default=MappingProxyType({}))


@contextmanager
def bound(**fields: str) -> Iterator[None]:
    """Records of this thread have these fields while the block runs."""
    token = _fields.set(MappingProxyType({**_fields.get(), **fields}))
    try:
        yield
    finally:
        _fields.reset(token)


def enter(**fields: str) -> None:
    """Records of this thread have these fields, and no others, until `leave`."""
    _fields.set(MappingProxyType(fields))


def leave() -> None:
    """This thread's work is done."""
    enter()


def fields() -> dict[str, str]:
    """What the record of now carries."""
    role = os.environ.get(ROLE_VARIABLE)
    return {"role": role, **_fields.get()} if role else dict(_fields.get())


def request_id(given: str | None) -> str:
    """The id that a proxy gave, if it is sane; else a new one of 32 hexadecimal digits."""
    return given if given and _SANE.fullmatch(given) else secrets.token_hex(16)
