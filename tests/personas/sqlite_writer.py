"""One of several processes that write at once; started by test_sqlite_writers.py as `python -m`, with its number."""

from __future__ import annotations

import sys

import django

ROUNDS = 12
PICTURES = 8
#: Of PICTURES, those that every writer saves.
SHARED = 3


def main(writer: int) -> None:
    django.setup()
    from personas.store import get_store
    from tests import factories as make

    store = get_store()
    for number in range(ROUNDS):
        shared = [make.extracted(f"shared {number} {n}", faces=2, paths=[]) for n in range(SHARED)]
        own = [make.extracted(f"writer {writer} {number} {n}", faces=2) for n in range(PICTURES - SHARED)]
        make.save(store, *shared, *own)
        faces = [make.key(f"shared {number} {n}", face_no) for n in range(SHARED) for face_no in range(2)]
        make.label(store, f"persona {writer}", *faces, *[make.key(f"writer {writer} {number} {n}") for n in range(3)])
        store.advance_cursor("follower", number)


if __name__ == "__main__":
    main(int(sys.argv[1]))
