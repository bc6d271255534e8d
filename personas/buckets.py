"""Partitioning of faces and embeddings, the same on every store."""

from __future__ import annotations


def bucket_of(image_id: str, n_buckets: int) -> int:
    """The bucket of a picture: the first bits of its SHA-256, so buckets fill evenly.

    `n_buckets` is a power of two, at most 65536.
    """
    return int(image_id[:4], 16) * n_buckets >> 16
