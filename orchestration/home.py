"""The state folder: whether it is ours to empty, and who is at work on it.

Settings call `claim` before they write anything, so this module needs neither Django nor a database.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from personas.errors import FaceProjectError

#: The file that says whose folder this is.
MARKER = "faceproject-home"
LOCK = "faceproject-home.lock"
DATABASE = "faceproject.sqlite3"
USERS_DATABASE = "users.sqlite3"  # of USERS=bootstrap
SCORER_TOKEN = "scorer_token"  # noqa: S105 - the name of a file
MEDIA, CACHE, QUEUE, STATIC = "media", "cache", "queue", "static"
#: Everything the product makes in its folder and could make again, or empties on request.
EMPTIED = (
    *(file + suffix for file in (DATABASE, USERS_DATABASE) for suffix in ("", "-wal", "-shm", "-journal")),
    *(MEDIA, CACHE, QUEUE, STATIC),
)
#: What stays: sessions and links that were signed with it remain valid.
KEPT = ("secret_key", SCORER_TOKEN, MARKER, LOCK, "lost+found")
_OURS = "faceproject: this folder was empty when the product came; `demo --reset` may empty it.\n"
_SHARED = "faceproject: files of others were here before the product; `demo --reset` leaves it alone.\n"
#: Homes this process holds, so that what runs inside `held` may ask for it again.
_held: set[Path] = set()


class UnableToResetError(FaceProjectError):
    """A state folder that the product will not empty."""


class HomeInUseError(FaceProjectError):
    """Another process of the product is at work on the state folder."""


def claim(home: Path) -> None:
    """Make the folder, and write down once whether it was empty: nothing else makes it ours.

    A folder from before there was a marker is ours when it has our database and nothing that is not ours.
    """
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    if (home / MARKER).exists():
        return
    names = {entry.name for entry in home.iterdir() if not entry.name.startswith(f"{MARKER}.")}
    foreign = names.difference(EMPTIED, KEPT)
    ours = not names.difference(KEPT[-1:]) or (DATABASE in names and not foreign)
    fresh = home / f"{MARKER}.{secrets.token_hex(4)}"
    try:
        fresh.write_text(_OURS if ours else _SHARED)
        with contextlib.suppress(FileExistsError):
            (home / MARKER).hardlink_to(fresh)  # the first of several processes wins
    except OSError:
        return  # a folder we may not write into is not ours; what needs to write says so itself
    finally:
        fresh.unlink(missing_ok=True)


def own_secret(home: Path, name: str) -> str:
    """A secret of this installation's own in a file of that name, made once and readable by its owner only."""
    path = home / name
    if not path.exists():
        fresh = path.with_name(f"{name}.{secrets.token_hex(4)}")
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_urlsafe(50))
        try:
            path.hardlink_to(fresh)  # the first of several processes wins
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_text().strip()


def is_ours(home: Path) -> bool:
    """The folder was empty when the product came."""
    try:
        return (home / MARKER).read_text() == _OURS
    except (OSError, UnicodeDecodeError):
        return False


@contextlib.contextmanager
def held(home: Path) -> Iterator[None]:
    """Work on the folder alone, until the process ends however it ends. Raises HomeInUseError."""
    if home in _held:
        yield
        return
    with (home / LOCK).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            process = lock.read().strip() or "another process"
            raise HomeInUseError(
                f"{process} runs on {home}. End it first (Ctrl-C), or set FACEPROJECT_HOME to another folder."
            ) from error
        lock.truncate(0)
        lock.write(f"process {os.getpid()}\n")
        lock.flush()
        _held.add(home)
        try:
            yield
        finally:
            _held.discard(home)
            lock.truncate(0)


def empty(home: Path) -> None:
    """Remove what the product made, and nothing else; the secret stays.

    Raises UnableToResetError (not ours, a link) and HomeInUseError; nothing is removed then.
    """
    if not is_ours(home):
        raise UnableToResetError(
            f"{home} was not empty when the product first used it, so it is left alone. "
            "Set FACEPROJECT_HOME to a folder of the product's own, or remove by hand what is no longer needed."
        )
    with held(home):
        links = [name for name in EMPTIED if (home / name).is_symlink()]
        if links:
            raise UnableToResetError(f"{home / links[0]} is a link; what it leads to is left alone. Empty it by hand.")
        for name in EMPTIED:
            entry = home / name
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink(missing_ok=True)
