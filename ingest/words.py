"""Small words of messages."""

from __future__ import annotations


def count_of(number: int, what: str) -> str:
    """As in "1 picture" and "1,200 pictures"."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
