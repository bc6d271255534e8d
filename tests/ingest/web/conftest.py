"""A site that misbehaves on demand, and a crawler that may speak to it and never sleeps."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ingest.rejections import RejectedError
from ingest.web.addresses import parse
from ingest.web.crawler import Crawler, CrawlRules
from ingest.web.networks import Networks
from tests.ingest.drawing import draw
from tests.ingest.web.server import Site, running

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


@dataclass
class NoTurns:
    """Grants every turn at once, and remembers what was asked for."""

    taken: list[tuple[str, float]] = field(default_factory=list)

    def wait(self, host: str, seconds: float) -> None:
        self.taken.append((host, seconds))


def local(host: str, port: int) -> Sequence[str]:
    """Every name is this machine; digits are themselves."""
    return [host if ":" in host or host.replace(".", "").isdecimal() else "127.0.0.1"]


@dataclass
class Visit:
    """A crawler for the tests' site. `fetch` and `look` take a path or an address."""

    site: Site
    turns: NoTurns
    crawler: Crawler

    def url(self, place: str) -> str:
        return place if place.startswith("http") else self.site.url(place)

    def fetch(self, place: str, *, known: int = 0) -> tuple[bytes, int | None]:
        into = io.BytesIO()
        mark = self.crawler.fetch(parse(self.url(place)), into, known=known)
        return into.getvalue(), mark

    def look(self, place: str) -> list[str]:
        return [each.url for each in self.crawler.look(parse(self.url(place)))]

    def reason(self, place: str) -> str:
        """Why a picture is not fetched."""
        with pytest.raises(RejectedError) as caught:
            self.fetch(place)
        return caught.value.reason


@pytest.fixture
def site() -> Iterator[Site]:
    with running() as site:
        yield site


@pytest.fixture
def visit(site: Site) -> Callable[..., Visit]:
    """`visit(resolver=…, allowed=…)` makes a visitor of the site; other options are rules."""

    def made(**options: Any) -> Visit:
        turns = NoTurns()
        resolver = options.pop("resolver", local)
        allowed = options.pop("allowed", ["127.0.0.1"])
        networks = Networks.of(allowed=allowed, ports=[80, 443, site.port])
        rules = CrawlRules(**{"user_agent": "faceproject/1 (tests)", "networks": networks, "seconds": 20.0, **options})
        return Visit(site, turns, Crawler(rules, turns=turns, resolver=resolver, clock=lambda: NOON))

    return made


@pytest.fixture
def picture(tmp_path: Path) -> bytes:
    return draw(tmp_path / "drawn.png").read_bytes()
