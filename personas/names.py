"""How names are compared: one name however it was typed."""

from __future__ import annotations

import unicodedata


def normal(text: str) -> str:
    """White space folded and letters composed (Unicode NFC): "e" with an accent behind it is the letter "é".

    Keyboards and most systems write composed letters, macOS file names and exports of some programs decomposed ones.
    """
    return " ".join(unicodedata.normalize("NFC", text).split())


def loose(text: str) -> str:
    """For comparing without regard to case."""
    return normal(text).casefold()


def spellings(path: str) -> tuple[str, ...]:
    """A path as it is, composed and decomposed, each once: names of files are stored as their system spells them."""
    return tuple(dict.fromkeys((path, unicodedata.normalize("NFC", path), unicodedata.normalize("NFD", path))))
