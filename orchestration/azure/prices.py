"""Prices with a date: from a file, or from the Retail Prices API, which asks for no sign-in.

AZURE_PRICES_ENDPOINT names another endpoint (a proxy, a mirror), AZURE_CA_BUNDLE a PEM file to trust. What was fetched
is kept in `$FACEPROJECT_HOME/deployments/prices-LOCATION.json`, in the API's own form with the time it was fetched, and
used for a day.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from orchestration.deployment.errors import DeploymentError

ENDPOINT: Final = "https://prices.azure.com/api/retail/prices"
FRESH: Final = timedelta(days=1)
#: Of one filter; what has more is not what was meant.
MOST_PAGES: Final = 100
_SECONDS: Final = 30.0
_NO_NETWORK: Final = (
    "Without network: run `manage.py cost` with the same description where there is one, copy the file {kept} below "
    "FACEPROJECT_HOME from there, and say `--prices FILE`."
)


class PricesError(DeploymentError):
    """Prices cannot be read or fetched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """Items as the API gives them. fetched: when that was. place: the file or address they came from."""

    fetched: datetime
    currency: str
    items: tuple[Mapping[str, Any], ...]
    asked: frozenset[str]
    place: str


def read(path: Path) -> PriceList:
    """A file of prices: one JSON object with `fetched` and `Items`. Raises PricesError."""
    try:
        said = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise PricesError(f"The prices in {path} cannot be read: {error}.") from error
    if not isinstance(said, dict) or not _are_items(said.get("Items")):
        raise PricesError(f"{path} is no file of prices: it must be an object with Items, as the Retail Prices API's.")
    try:
        fetched = datetime.fromisoformat(str(said["fetched"]))
    except (KeyError, ValueError):
        raise PricesError(f'{path} does not say of when its prices are: add "fetched": "YYYY-MM-DD" to it.') from None
    return PriceList(
        fetched=fetched if fetched.tzinfo else fetched.replace(tzinfo=UTC),
        currency=_currency(said["Items"], str(path)),
        items=tuple(said["Items"]),
        asked=frozenset(map(str, said.get("asked", ()))),
        place=str(path),
    )


def current(
    filters: Iterable[str],
    *,
    home: Path,
    location: str,
    environment: Mapping[str, str],
    now: datetime,
    refresh: bool = False,
) -> PriceList:
    """Prices that answer these filters, of the last day or fetched now. home: FACEPROJECT_HOME. Raises PricesError."""
    wanted = frozenset(filters)
    path = home / "deployments" / f"prices-{location}.json"
    kept = _kept(path)
    if kept and not refresh and now - kept.fetched < FRESH and wanted <= kept.asked:
        return kept
    try:
        items = _fetched(sorted(wanted), environment)
    except PricesError as error:
        older = f" Prices of {kept.fetched:%-d %B %Y} are in {path}: `--prices {path}` takes those." if kept else ""
        raise PricesError(f"{error} {_NO_NETWORK.format(kept=f'deployments/{path.name}')}{older}") from error
    _keep(path, {"fetched": now.isoformat(), "asked": sorted(wanted), "Items": items})
    return read(path)


def _kept(path: Path) -> PriceList | None:
    """What was fetched before; None where there is nothing, or nothing that can be read: it is fetched again then."""
    try:
        return read(path)
    except PricesError:
        return None


def _keep(path: Path, said: Mapping[str, Any]) -> None:
    """All of it or nothing, so that no reader sees half a file."""
    new = path.with_suffix(f".{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(json.dumps(said, indent=1))
        new.replace(path)
    except OSError as error:
        raise PricesError(
            f"The prices cannot be kept in {path}: {error}. Make room, or set FACEPROJECT_HOME."
        ) from error


def _fetched(filters: Iterable[str], environment: Mapping[str, str]) -> list[Mapping[str, Any]]:
    endpoint = environment.get("AZURE_PRICES_ENDPOINT") or ENDPOINT
    authority = environment.get("AZURE_CA_BUNDLE") or True
    with requests.Session() as session:
        retry = Retry(total=4, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504), raise_on_status=False)
        session.mount("https://", HTTPAdapter(max_retries=retry))
        return [item for each in filters for item in _pages(session, endpoint, each, authority)]


def _pages(session: requests.Session, endpoint: str, said: str, authority: str | bool) -> list[Mapping[str, Any]]:
    """All items of one filter. Next pages are asked of the same endpoint, whatever host the links name."""
    found: list[Mapping[str, Any]] = []
    query = {"$filter": said}
    for _ in range(MOST_PAGES):
        page = _page(session, endpoint, query, authority)
        found += page["Items"]
        if not page.get("NextPageLink"):
            return found
        query = dict(parse_qsl(urlsplit(str(page["NextPageLink"])).query))
    raise PricesError(f"{endpoint} gives more than {MOST_PAGES} pages for {said}.")


def _page(
    session: requests.Session, endpoint: str, query: Mapping[str, str], authority: str | bool
) -> Mapping[str, Any]:
    try:
        answer = session.get(endpoint, params=query, timeout=_SECONDS, verify=authority)
    except (requests.RequestException, OSError) as error:
        raise PricesError(f"The Retail Prices API at {endpoint} cannot be reached ({type(error).__name__}).") from error
    if answer.status_code != 200:
        raise PricesError(f"The Retail Prices API at {endpoint} answers {answer.status_code}.")
    try:
        page = answer.json()
    except ValueError:
        page = None
    if not isinstance(page, dict) or not _are_items(page.get("Items")):
        raise PricesError(f"What {endpoint} answers is no page of the Retail Prices API.")
    return page


def _are_items(said: object) -> bool:
    """Whether these are items with a price each: what follows counts on it."""
    return isinstance(said, list) and all(
        isinstance(each, dict) and _is_number(each.get("retailPrice")) and _is_number(each.get("tierMinimumUnits", 0))
        for each in said
    )


def _is_number(said: object) -> bool:
    return isinstance(said, int | float) and not isinstance(said, bool) and math.isfinite(said) and said >= 0


def _currency(items: Iterable[Mapping[str, Any]], place: str) -> str:
    found = {str(item.get("currencyCode", "")) for item in items}
    if len(found) > 1 or "" in found:
        raise PricesError(f"The prices in {place} are not all in one currency ({', '.join(sorted(found)) or 'none'}).")
    return next(iter(found), "")
