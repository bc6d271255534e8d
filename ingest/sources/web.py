"""Pictures of the web, behind the same seam as a folder: fetched while they are listed, read from the disk.

The process that runs the ingest fetches, hosts side by side, for only there can be said whose turn it is; extraction
processes read what it has put into a folder. A picture's path is its address; its `mtime_ns` is the mark of its content
(`ingest.web.crawler.mark_of`), so that a second run asks the server whether it has changed, and keeps nothing for that.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from ingest.rejections import RejectedError, Rejection
from ingest.sources.base import Content, SourceFile, SourcePicture
from ingest.sources.folder import FolderSource
from ingest.web.addresses import Address, parse, redacted
from ingest.web.crawler import Crawler
from ingest.web.side_by_side import side_by_side
from personas.entities import ImagePath

logger = logging.getLogger(__name__)

#: `ImagePath.source` of everything that came from the web.
WEB: Final = "web"
_PREFIX = "fetched-"


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedFolder:
    """What was fetched, for the processes that read it. Lists nothing."""

    folder: Path
    name: str = WEB

    @property
    def at_once(self) -> int:
        return 1

    def pictures(self) -> Iterator[SourcePicture | Rejection]:
        return iter(())

    def read(self, file: SourceFile, *, limit: int) -> Content:
        content = FolderSource(root=self.folder, name=self.name).read(file, limit=limit)
        return replace(content, mtime_ns=file.mtime_ns)

    def count(self) -> int:
        return 0


def listed_as(address: Address) -> SourcePicture:
    """An address as a manifest holds it: nothing is known of its size yet."""
    return SourcePicture(file=SourceFile(path=address.path, location=address.url.encode(), size=0, mtime_ns=0))


@dataclass(slots=True, kw_only=True)
class WebSource:
    """Fetches addresses while an ingest asks for its pictures; use it as a context: what was fetched goes at its end.

    listed: as `listed_as` gives them. known: their paths, where the store has the picture and what the extractor found
    in it, by path. go_on: raises when it is time to end. end: lets go of a thread's connections.
    """

    listed: Sequence[SourcePicture]
    crawler: Crawler
    fetched: FetchedFolder
    known: Mapping[str, ImagePath] = field(default_factory=dict)
    go_on: Callable[[], None] = lambda: None
    end: Callable[[], None] = lambda: None
    _files: list[Path] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.fetched.name

    @property
    def at_once(self) -> int:
        return 1

    def __enter__(self) -> WebSource:
        self.fetched.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *stopped: object) -> None:
        for file in self._files:
            file.unlink(missing_ok=True)

    def pictures(self) -> Iterator[SourcePicture | Rejection]:
        """As they arrive. Raises what `go_on` raises."""
        for _, outcome in side_by_side(
            self.listed, self._fetch, host_of=lambda each: _address(each).host, go_on=self.go_on, end=self.end
        ):
            yield outcome

    def read(self, file: SourceFile, *, limit: int) -> Content:
        return self.fetched.read(file, limit=limit)

    def count(self) -> int:
        return len(self.listed)

    def _fetch(self, picture: SourcePicture) -> SourcePicture | Rejection:
        address, known = _address(picture), self.known.get(picture.file.path)
        descriptor, name = tempfile.mkstemp(prefix=_PREFIX, dir=self.fetched.folder)
        place = Path(name)
        self._files.append(place)
        try:
            with os.fdopen(descriptor, "wb") as opened:
                mark = self.crawler.fetch(address, opened, known=known.mtime_ns if known else 0)
        except RejectedError as error:
            logger.info("not fetched", extra={"host": address.host, "reason": error.reason})
            return Rejection.of(picture.file.path, error)
        if mark is None:
            assert known is not None
            return SourcePicture(file=replace(picture.file, size=known.size, mtime_ns=known.mtime_ns))
        size = place.stat().st_size
        file = SourceFile(path=picture.file.path, location=os.fsencode(place.name), size=size, mtime_ns=mark)
        return SourcePicture(file=file)


def _address(picture: SourcePicture) -> Address:
    return parse(picture.file.location.decode())


def looked_at(
    lines: Sequence[str], crawler: Crawler, *, go_on: Callable[[], None], end: Callable[[], None]
) -> list[tuple[str, tuple[Address, ...] | Rejection]]:
    """The pictures at each address of a list, in its order."""
    parsed: list[tuple[str, Address]] = []
    found: dict[str, tuple[Address, ...] | Rejection] = {}
    for line in lines:
        try:
            parsed.append((line, parse(line)))
        except RejectedError as error:
            found[line] = Rejection.of(_shown(line), error)

    def look(item: tuple[str, Address]) -> tuple[Address, ...] | Rejection:
        try:
            return crawler.look(item[1])
        except RejectedError as error:
            return Rejection.of(item[1].path, error)

    for (line, _), outcome in side_by_side(parsed, look, host_of=lambda each: each[1].host, go_on=go_on, end=end):
        found[line] = outcome
    return [(line, found[line]) for line in lines]


def _shown(line: str) -> str:
    """A line that is no address, without what may be a password in it."""
    return redacted(line)[:500]
