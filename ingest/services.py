"""Taking in a source: one call, from the settings to a summary."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from django.conf import settings

from ingest.azure_share import SCHEME, ShareAccess, ShareAddress
from ingest.extraction import extractor_spec
from ingest.known_paths import KnownPaths
from ingest.messages import WorkOrder
from ingest.pipeline import Clock, IngestRun
from ingest.pool import InlinePool, Pool
from ingest.process_pool import ProcessPool
from ingest.sources.azure_files import AzureFilesSource
from ingest.sources.base import Source, WalkedSource
from ingest.sources.folder import FolderSource
from ingest.summary import IngestSummary, ProgressCallback
from personas.store.base import Store


def folder_source(folder: Path) -> FolderSource:
    """The folder, less our own state if that lies inside. Raises NotFoundError."""
    return FolderSource.at(folder, exclude=(settings.FACEPROJECT_HOME, Path(settings.MEDIA_ROOT)))


def source_named(name: Path | str) -> WalkedSource:
    """A folder, or azurefiles://account/share/path. Raises NotFoundError, AzureFilesError and TransientError."""
    if not is_share(name):
        return folder_source(Path(name))
    return AzureFilesSource.at(str(name), access=share_access(ShareAddress.parse(str(name)).account))


def is_share(name: Path | str) -> bool:
    """Whether it is the address of a share rather than a folder."""
    return str(name).startswith(SCHEME)


def share_access(account: str) -> ShareAccess:
    """What the settings say of how this account is reached."""
    return ShareAccess(
        account=account,
        endpoint=settings.AZURE_STORAGE_ENDPOINT,
        key=settings.AZURE_STORAGE_KEY,
        token=settings.AZURE_STATIC_TOKEN,
        authority_bundle=settings.AZURE_CA_BUNDLE,
    )


def ingest_source(
    *,
    store: Store,
    source: Source,
    workers: int | None = None,
    actor: str,
    clock: Clock,
    progress: ProgressCallback | None = None,
) -> IngestSummary:
    """Take in every picture of a source; what it has before is skipped, what is bad is reported, nothing is doubled.

    workers: extraction processes (None: one a core; 0: none, the work is done here). Safe to kill and to repeat.
    Raises FaceProjectError when the source cannot be listed, the models cannot be loaded or nothing can be stored.
    """
    order = work_order(source)
    total = _counting(source) if progress else (lambda: None)
    with closing(_pool(order, workers)) as pool:
        return IngestRun(
            store=store,
            source=source,
            pool=pool,
            actor=actor,
            clock=clock,
            progress=progress,
            total=total,
            known=KnownPaths(store, source.name),
        ).run()


def work_order(source: Source) -> WorkOrder:
    """What the settings say of extraction, for this source."""
    originals = Path(settings.MEDIA_ROOT) / "originals"
    return WorkOrder(spec=extractor_spec(), source=source, originals=originals, max_bytes=settings.MAX_IMAGE_BYTES)


def default_workers() -> int:
    """One a core that this process may use: one-thread models in several processes are the fastest way."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _pool(order: WorkOrder, workers: int | None) -> Pool:
    if workers == 0:
        return InlinePool(order)
    return ProcessPool(order, workers=workers or default_workers())


def _counting(source: Source) -> Callable[[], int | None]:
    """Counts the source's pictures beside the run, for the time left."""
    counted: list[int] = []
    threading.Thread(target=lambda: counted.append(source.count()), daemon=True).start()
    return lambda: counted[0] if counted else None
