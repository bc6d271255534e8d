"""What a resource should be against what it is: property by property, as paths people can read.

A description names the properties it cares about; what Azure adds beside them (defaults, times, addresses) is no
difference. In a list whose items have names, items are told apart by name, and one that only Azure has is a difference
too: a PUT would take it away. Secrets are never returned, so bodies hold them by name (`secret`), and a digest of the
values, kept in a tag, says when one of them changed.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

#: The key of a mapping that stands for a secret value in a body.
SECRET: Final = "$secret"  # noqa: S105 - a marker
#: The tag that carries the digest.
DIGEST_TAG: Final = "faceproject-spec"


def secret(name: str) -> dict[str, str]:
    """Stands in a body for the value of this secret."""
    return {SECRET: name}


def filled(body: Any, value: Callable[[str], str]) -> Any:
    """The body with its secrets, as it is sent: it must not be kept, shown or logged."""
    if isinstance(body, Mapping):
        if SECRET in body:
            return value(str(body[SECRET]))
        return {key: filled(part, value) for key, part in body.items()}
    if isinstance(body, list | tuple):
        return [filled(part, value) for part in body]
    return body


def secrets_in(body: Any) -> frozenset[str]:
    """Names of the secrets that a body needs."""
    if isinstance(body, Mapping):
        if SECRET in body:
            return frozenset({str(body[SECRET])})
        return frozenset().union(*map(secrets_in, body.values()))
    if isinstance(body, list | tuple):
        return frozenset().union(*map(secrets_in, body))
    return frozenset()


def digest(body: Mapping[str, Any], value: Callable[[str], str], *, key: str) -> str:
    """Of a body with its secrets; says nothing of them to whoever does not know the key."""
    text = json.dumps(filled(body, value), sort_keys=True, separators=(",", ":"))
    return hmac.new(key.encode(), text.encode(), sha256).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One property. `was` and `should_be` are for people; None: not there."""

    path: str
    was: Any
    should_be: Any

    def __str__(self) -> str:
        return f"{self.path}: {_shown(self.was)} → {_shown(self.should_be)}"


def differences(should_be: Mapping[str, Any], is_now: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Of what is said, what is otherwise. Secrets are passed over."""
    return tuple(_compare("", should_be, is_now))


def _compare(path: str, should_be: Any, is_now: Any) -> Iterator[Difference]:
    if isinstance(should_be, Mapping):
        if SECRET in should_be:
            return
        now = is_now if isinstance(is_now, Mapping) else {}
        for key, part in should_be.items():
            yield from _compare(_joined(path, key), part, _looked_up(now, key))
    elif isinstance(should_be, list | tuple):
        yield from _compare_lists(path, should_be, is_now if isinstance(is_now, list) else [])
    elif not _same(should_be, is_now):
        yield Difference(path=path, was=is_now, should_be=should_be)


def _compare_lists(path: str, should_be: Sequence[Any], is_now: Sequence[Any]) -> Iterator[Difference]:
    if not all(isinstance(item, Mapping) and "name" in item for item in [*should_be, *is_now]):
        if len(should_be) != len(is_now):
            yield Difference(path=path, was=list(is_now), should_be=list(should_be))
            return
        for number, (wanted, found) in enumerate(zip(should_be, is_now, strict=True)):
            yield from _compare(f"{path}[{number}]", wanted, found)
        return
    found_by_name = {item["name"]: item for item in is_now}
    for wanted in should_be:
        name = wanted["name"]
        if name in found_by_name:
            yield from _compare(_joined(path, name), wanted, found_by_name.pop(name))
        else:
            yield Difference(path=_joined(path, name), was=None, should_be="there")
    for name in found_by_name:
        yield Difference(path=_joined(path, name), was="there", should_be=None)


def _looked_up(mapping: Mapping[str, Any], key: str) -> Any:
    """Azure changes the case of keys now and then (tags, identities by id)."""
    if key in mapping:
        return mapping[key]
    lower = key.lower()
    return next((value for found, value in mapping.items() if found.lower() == lower), None)


def _same(should_be: Any, is_now: Any) -> bool:
    """Ids and locations come back in another case; numbers as 1.0 for 1."""
    if isinstance(should_be, str) and isinstance(is_now, str):
        if should_be.startswith("/subscriptions/") or " " not in should_be:
            return should_be.lower() == is_now.lower().replace(" ", "") or should_be.lower() == is_now.lower()
        return should_be == is_now
    return bool(should_be == is_now)


def _joined(path: str, key: str) -> str:
    """`properties` is on every path and says nothing."""
    if key == "properties":
        return path
    return f"{path}.{key}" if path else key


def _shown(value: Any) -> str:
    match value:
        case None:
            return "nothing"
        case str() if len(value) > 80:
            return f"{value[:77]}…"
        case str():
            return value or "empty"
        case _:
            return json.dumps(value)
