"""`manage.py state_hash`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from personas.management.product_command import ProductCommand
from personas.state_hash import state_hash
from personas.store import get_store


class Command(ProductCommand):
    help = (
        "One hash of images, faces, boxes, personas, labels, rejections and covers, to compare two stores. "
        "Sequence numbers, times, versions and the audit log do not count."
    )

    def run(self, *, progress: bool, **options: Any) -> Mapping[str, Any]:
        hashed = state_hash(get_store())
        return {"state_hash": hashed.state_hash, "counts": hashed.counts, "sections": hashed.sections}

    def show(self, result: Mapping[str, Any]) -> None:
        for section, count in result["counts"].items():
            self.stdout.write(f"{section:<10}{count:>10}  {result['sections'][section][:16]}")
        self.stdout.write(result["state_hash"])
