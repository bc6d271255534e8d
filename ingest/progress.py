"""A progress bar on the terminal: pictures done of all, pictures a second, time left."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ingest.summary import Progress, ProgressCallback


@contextmanager
def progress_bar(title: str, *, shown: bool) -> Iterator[ProgressCallback | None]:
    """A callback that moves a bar on stderr while the block runs; None when it is not to be shown."""
    if not shown:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars
    from rich.progress import Task as Bar
    from rich.text import Text

    class Speed(ProgressColumn):
        def render(self, task: Bar) -> Text:
            return Text(f"{task.speed or 0:.1f} pictures/s", style="progress.data.speed")

    bars = Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Speed(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[rejected]} rejected"),
        console=Console(file=sys.stderr),
    )
    with bars:
        bar = bars.add_task(title, total=None, rejected=0)

        def move(progress: Progress) -> None:
            bars.update(bar, completed=progress.done, total=progress.total, rejected=progress.rejected)

        yield move
