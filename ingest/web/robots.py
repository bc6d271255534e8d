"""What robots.txt of a site allows (RFC 9309)."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO

from protego import Protego

from ingest.rejections import DISALLOWED, TOO_MANY_BYTES, RejectedError
from ingest.web.addresses import Address
from ingest.web.connection import Head

#: As much of the file is read (RFC 9309, 2.5: at least 500 kibibytes).
MAX_BYTES = 500 * 2**10
#: Each rule is kept for each agent of its group, so a file that names thousands of both would fill the memory. Those
#: that are in use name hundreds of agents and a thousand rules at most.
MAX_RULES_KEPT = 2_000_000
#: A site that wants to be asked more rarely is not asked at all.
MAX_DELAY_SECONDS = 60.0

#: Fetches an address, following redirects, into a buffer. Raises RejectedError.
Fetch = Callable[[Address, BinaryIO], Head]


@dataclass(slots=True)
class Robots:
    """Reads the file of each site once. agent: the product token that groups of the file name."""

    agent: str
    fetch: Fetch
    _known: dict[str, Protego | None] = field(default_factory=dict)

    def delay(self, address: Address, *, default: float) -> float:
        """Seconds between two requests to this site, never under the default.

        Raises RejectedError when the site does not want the address to be fetched.
        """
        rules = self._rules(address)
        if rules is None:
            message = f"robots.txt of {address.host} cannot be read now, so nothing there is fetched. Try again later."
            raise RejectedError(DISALLOWED, message)
        if not rules.can_fetch(address.url, self.agent):
            message = f"robots.txt of {address.host} does not allow it. Ask the site, or save the picture yourself."
            raise RejectedError(DISALLOWED, message)
        delay = max(default, float(rules.crawl_delay(self.agent) or 0.0))
        if delay > MAX_DELAY_SECONDS:
            message = (
                f"robots.txt of {address.host} wants {delay:,.0f} s between two requests. Save the picture yourself."
            )
            raise RejectedError(DISALLOWED, message)
        return delay

    def _rules(self, address: Address) -> Protego | None:
        """None: the site does not say now, which means no (RFC 9309, 2.3.1.4)."""
        if address.origin not in self._known:
            self._known[address.origin] = self._read(address)
        return self._known[address.origin]

    def _read(self, address: Address) -> Protego | None:
        content = io.BytesIO()
        try:
            status = self.fetch(address.joined("/robots.txt"), content).status
        except RejectedError as error:
            if error.reason != TOO_MANY_BYTES:
                return None
            status = 200  # its beginning counts
        if status >= 500:
            return None
        # Any other answer but the file: everything may be fetched (2.3.1.3).
        said = content.getvalue()[:MAX_BYTES].decode("utf-8", "replace") if status == 200 else ""
        lines = said.splitlines()
        n_agents = sum("agent" in line.lower() for line in lines)
        return Protego.parse(said) if n_agents * len(lines) <= MAX_RULES_KEPT else None
