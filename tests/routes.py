"""Every address of the product, collected from the URL resolver, and tests/routes.txt, which says who may use which."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

from django.contrib.admin.utils import quote
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from personas.roles import Role

TABLE = Path(__file__).with_name("routes.txt")
ANYONE, NOBODY, NO_METHOD = "anyone", "nobody", "-"
WHO = (ANYONE, *(role.value for role in Role), NOBODY, NO_METHOD)
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>[^)]*\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """An address with parameters; without a name it is called by its pattern."""

    name: str
    pattern: str

    @property
    def parameters(self) -> list[str]:
        return [name or other for name, other in _PARAMETER.findall(self.pattern)]

    def url(self, values: Mapping[str, object]) -> str:
        taken = {name: values[name] for name in self.parameters}
        if "object_id" in taken:
            taken["object_id"] = quote(str(taken["object_id"]))
        if self.name != self.pattern:
            return reverse(self.name, kwargs=taken)
        return "/" + _PARAMETER.sub(lambda found: str(taken[found[1] or found[2]]), self.pattern).strip("^$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """A line of the table."""

    who: Mapping[str, str]  #: by method: one of WHO
    values: Mapping[str, str] = field(default_factory=dict)  #: of parameters
    form: Mapping[str, str] = field(default_factory=dict)
    answers: int | None = None

    def may(self, role: Role | None, method: str) -> bool:
        """role: None is somebody who has not signed in."""
        who = self.who[method]
        if who in (NOBODY, NO_METHOD):
            return False
        roles = [role.value for role in Role]
        return who == ANYONE or (role is not None and roles.index(role) >= roles.index(who))


def all_routes() -> list[Route]:
    return list(_walk(get_resolver(), "", ""))


def _walk(resolver: URLResolver, prefix: str, namespace: str) -> Iterator[Route]:
    for entry in resolver.url_patterns:
        pattern = prefix + str(entry.pattern)
        if isinstance(entry, URLPattern):
            yield Route(name=namespace + entry.name if entry.name else pattern, pattern=pattern)
        else:
            yield from _walk(entry, pattern, namespace + (f"{entry.namespace}:" if entry.namespace else ""))


def table() -> dict[str, Rights]:
    """By route; a line that cannot be read raises ValueError."""
    rights: dict[str, Rights] = {}
    for line in TABLE.read_text().splitlines():
        words = line.partition("# ")[0].split()
        if not words or line.startswith("#"):
            continue
        name, get, post, *more = words
        if not {get, post} <= set(WHO) or name in rights:
            raise ValueError(f"{TABLE.name}: {line}")
        given = dict(word.split("=", 1) for word in more)
        answers = given.pop("answers", None)
        form = {key[5:]: given.pop(key) for key in list(given) if key.startswith("post:")}
        rights[name] = Rights(
            who={"GET": get, "POST": post}, values=given, form=form, answers=int(answers) if answers else None
        )
    return rights


class Offers(HTMLParser):
    """What a page offers: (method, path) of its links, forms and what htmx asks for."""

    def __init__(self, page: str, path: str) -> None:
        super().__init__()
        self.path = path
        self.form = ("GET", path)  #: that the parser is inside of
        self.found: set[tuple[str, str]] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "form":
            self.form = ((values.get("method") or "get").upper(), values.get("action") or self.path)
        kind = values.get("type")
        if (tag == "button" and kind != "button") or (tag == "input" and kind == "submit"):  # else it offers nothing
            self._offer(*self.form)
        for name in ("href", "hx-get", "src"):
            if values.get(name):
                self._offer("GET", str(values[name]))
        if values.get("hx-post"):
            self._offer("POST", str(values["hx-post"]))

    def _offer(self, method: str, url: str) -> None:
        parts = urlsplit(url)
        if not parts.netloc and parts.path.startswith("/") and not parts.path.startswith("/static/"):
            self.found.add((method, parts.path))
