"""Administration of pictures."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse

from personas import models
from personas.admin.choices import pictures_called
from personas.entities import ImageStatus, Slice
from personas.selectors.faces import shown_images, view_image
from personas.store import Store
from personas.store_admin import PAGE, Details, Row, StoreAdmin


@admin.register(models.Image)
class ImageAdmin(StoreAdmin):
    writes = False
    columns = ("Picture", "Size", "Format", "Faces", "Taken in")
    has_pictures = True
    searches = "File name, path or SHA-256"

    def rows(self, store: Store, request: HttpRequest, cursor: str | None) -> Slice[Row]:
        if searched := request.GET.get("q", "").strip():
            found = store.images_by_id(pictures_called(store, searched))
            left = (found[image_id] for image_id in sorted(found))
            page = Slice(items=tuple(each for each in left if each.status is not ImageStatus.DELETED), next_cursor=None)
        else:
            page = shown_images(store, cursor=cursor, limit=PAGE)
        paths = store.paths_of([image.image_id for image in page.items])
        rows = [
            Row(
                pk=image.image_id,
                image=image,
                cells=(
                    ", ".join(path.path for path in paths.get(image.image_id, ())) or image.image_id[:12],
                    f"{image.width} × {image.height}",
                    image.format,
                    image.n_faces or "no face",
                    image.ingested_at,
                ),
            )
            for image in page.items
        ]
        return Slice(items=tuple(rows), next_cursor=page.next_cursor)

    def details(self, store: Store, pk: str) -> Details:
        view = view_image(store, pk, n_candidates=0)
        return Details(
            title=view.paths[0].path if view.paths else pk[:12],
            image=view.image,
            facts=(
                ("SHA-256", pk),
                ("Known as", ", ".join(f"{path.source}/{path.path}" for path in view.paths)),
                ("Size", f"{view.image.width} × {view.image.height}, {view.image.n_bytes:,} bytes"),
                ("Detector", view.image.detector),
                ("Faces", view.image.n_faces),
                ("Taken in", view.image.ingested_at),
            ),
            links=(("Picture with its faces", reverse("image", args=[pk])),),
        )
