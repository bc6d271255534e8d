"""What templates need to show faces: crop addresses, percentages, icons, command ids."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.timesince import timesince

from personas import words
from personas.crops import PREVIEW_SIZES, crop_digest
from personas.entities import Box, Face, Image, Persona
from personas.selectors.gallery import persona_name
from personas.services.labelling import new_command_id

register = template.Library()

#: 24 x 24 outlines, drawn with the text's colour.
ICONS = {
    "check": '<path d="m5 12.5 4.5 4.5L19 7.5"/>',
    "cross": '<path d="m6.5 6.5 11 11m0-11-11 11"/>',
    "undo": '<path d="M9 14 4.5 9.5 9 5"/><path d="M5 9.5h9a5.5 5.5 0 0 1 0 11h-3"/>',
    "people": '<circle cx="9" cy="8" r="3.5"/><path d="M2.5 19.5c.6-3.6 3.2-5.5 6.5-5.5s5.9 1.9 6.5 5.5"/>'
    '<path d="M15.5 5a3.5 3.5 0 0 1 0 6.5m2.5 3.1c1.9.8 3.1 2.5 3.5 4.9"/>',
    "pictures": '<rect x="3.5" y="4.5" width="17" height="15" rx="2.5"/><circle cx="9" cy="10" r="1.6"/>'
    '<path d="m4 17 4.8-4 3.2 2.6 4-3.6 4.5 4"/>',
    "stranger": '<circle cx="12" cy="8" r="3.5"/><path d="M5 19.5c.7-3.6 3.5-5.5 7-5.5s6.3 1.9 7 5.5"/>'
    '<path d="m3.5 3.5 17 17"/>',
    "ignore": '<path d="M3.5 12c2-3.7 5-5.5 8.5-5.5s6.5 1.8 8.5 5.5c-2 3.7-5 5.5-8.5 5.5S5.5 15.7 3.5 12z"/>'
    '<path d="m4.5 4.5 15 15"/>',
    "not-a-face": '<path d="M4.5 8V4.5H8m8 0h3.5V8m0 8v3.5H16m-8 0H4.5V16"/><path d="m9 9 6 6m0-6-6 6"/>',
    "upload": '<path d="M12 15.5V4.5m0 0L7.5 9M12 4.5 16.5 9"/>'
    '<path d="M4.5 15v2.5a2 2 0 0 0 2 2h11a2 2 0 0 0 2-2V15"/>',
    "models": '<path d="M4 19.5h16"/><path d="m5 15 4.5-4.5 3.5 3 6-7"/><path d="M15.5 6.5H19V10"/>',
    "search": '<circle cx="11" cy="11" r="6"/><path d="m15.5 15.5 4.5 4.5"/>',
    "plus": '<path d="M12 5.5v13M5.5 12h13"/>',
    "more": '<circle cx="6" cy="12" r="1"/><circle cx="12" cy="12" r="1"/><circle cx="18" cy="12" r="1"/>',
    "eye": '<path d="M2.5 12C4.6 8 8 6 12 6s7.4 2 9.5 6c-2.1 4-5.5 6-9.5 6s-7.4-2-9.5-6z"/>'
    '<circle cx="12" cy="12" r="2.5"/>',
    "merge": '<path d="M6 4.5v4c0 3 6 3.5 6 7v4m6-15v4c0 3-6 3.5-6 7"/>',
    "trash": '<path d="M5 7h14M9.5 7V5h5v2m-8 0 .8 12.5h9.4L17.5 7"/>',
    "pencil": '<path d="m4.5 19.5 1-4L16 5l3 3L8.5 18.5z"/>',
    "review": '<rect x="4.5" y="4.5" width="15" height="15" rx="3"/><path d="m8.5 12 2.5 2.5 4.5-5"/>',
    "user": '<circle cx="12" cy="8.5" r="3.5"/><path d="M5 19.5c.7-3.6 3.5-5.5 7-5.5s6.3 1.9 7 5.5"/>',
    "star": '<path d="m12 4.5 2.3 4.8 5.2.7-3.8 3.6.9 5.2-4.6-2.5-4.6 2.5.9-5.2L4.5 10l5.2-.7z"/>',
    "arrow": '<path d="M10 6.5 15.5 12 10 17.5"/>',
    "back": '<path d="M14 6.5 8.5 12l5.5 5.5"/>',
    "folder": '<path d="M3.5 18V6.5A1.5 1.5 0 0 1 5 5h4.5l2 2.5H19A1.5 1.5 0 0 1 20.5 9v9a1.5 1.5 0 0 1-1.5 1.5H5'
    'A1.5 1.5 0 0 1 3.5 18z"/>',
    "globe": '<circle cx="12" cy="12" r="8.5"/><path d="M3.5 12h17M12 3.5c5.2 5.4 5.2 11.6 0 17"/>'
    '<path d="M12 3.5c-5.2 5.4-5.2 11.6 0 17"/>',
    "jobs": '<path d="M4.5 6.5h9m3 0h3M4.5 12h15m-15 5.5h5m3 0h7"/>',
    "question": '<circle cx="12" cy="12" r="8.5"/>'
    '<path d="M9.8 9.8a2.3 2.3 0 1 1 3.4 2c-.8.5-1.2 1-1.2 1.9"/><path d="M12 16.3v.01"/>',
}


@register.simple_tag
def icon(name: str) -> SafeString:
    """An inline drawing that says nothing to screen readers: the text beside it, or the button's label, speaks."""
    return format_html(
        '<svg class="icon" viewBox="0 0 24 24" width="24" height="24" aria-hidden="true" focusable="false">{}</svg>',
        mark_safe(ICONS[name]),  # noqa: S308 - a constant of this module
    )


@register.simple_tag
def command_id() -> str:
    """A fresh id for one command: sending a form twice does what it says once."""
    return new_command_id()


@register.simple_tag
def crop_url(face: Face, size: int) -> str:
    """Address of a face's crop. It names the box, so that browsers may keep the answer a while."""
    address = reverse("face-crop", args=[face.image_id, face.face_no, size])
    return f"{address}?v={crop_digest(face)[:10]}"


@register.simple_tag
def preview_url(image: Image, size: int) -> str:
    return reverse("image-preview", args=[image.image_id, size])


@register.filter
def percent(probability: float | None) -> str:
    """A probability as people read it; rounded down, so that nothing looks surer than it is."""
    return "" if probability is None else f"{math.floor(probability * 100 + 1e-9)} %"


@register.filter
def similarity(cosine: float) -> str:
    """A cosine as people read it; rounded down, as probabilities are."""
    return f"{math.floor(cosine * 100 + 1e-4) / 100:.2f}"


@register.filter
def ago(moment: datetime) -> str:
    """How long ago, in one unit: "just now", "5 minutes ago", "2 days ago"."""
    if timezone.now() - moment < timedelta(minutes=1):
        return "just now"
    return f"{timesince(moment, depth=1)} ago"


#: Kinds of events as the history calls them.
KINDS = {
    "faces_labelled": "labels",
    "face_drawn": "a face drawn by hand",
    "persona_added": "a new person",
    "persona_renamed": "a new name",
    "cover_chosen": "a cover",
    "persona_hidden": "hiding or showing a person",
    "persona_merged": "a merge",
    "persona_deleted": "the deletion of a person",
    "images_deleted": "the deletion of pictures",
    "images_erasing": "pictures to be erased",
    "images_erased": "pictures erased for good",
    "images_allowed": "leave to take erased pictures in again",
    "command_undone": "an undo",
    "command_cut_short": "something cut short",
}


@register.filter
def kind_words(kind: str) -> str:
    """What kind of command it was; a kind that a newer version wrote as it is called there."""
    return KINDS.get(kind, kind.replace("_", " "))


@register.filter
def duration(seconds: float | None) -> str:
    return words.duration(seconds)


@register.filter
def grouped(number: int | None) -> str:
    """A whole number with its thousands apart."""
    return f"{number or 0:,}"


@register.filter
def bar_width(probability: float | None) -> str:
    """A probability as the width of a bar in a drawing that is 100 wide."""
    return f"{max(0.0, min(1.0, probability or 0.0)) * 100:.1f}"


@register.filter
def face_id(face: Face) -> str:
    """A short id for the element that shows a face."""
    return f"f-{face.image_id[:12]}-{face.face_no}"


@register.filter
def name_of(personas: dict[str, Persona], persona_id: str) -> str:
    return persona_name(personas, persona_id)


class Overlay:
    """Boxes in a drawing whose longer side is 1000 units, whatever the picture's size: lines and letters stay even."""

    def __init__(self, image: Image) -> None:
        self.scale = 1000 / max(image.width, image.height, 1)
        self.width = round(image.width * self.scale, 1)
        self.height = round(image.height * self.scale, 1)
        self.is_larger = max(image.width, image.height) > PREVIEW_SIZES[1]  #: than what the page shows at first

    def box(self, box: Box) -> dict[str, float]:
        x, y, width, height = (round(side * self.scale, 1) for side in box)
        below = y + height + 26 <= self.height
        return {
            "x": x,
            "y": y,
            "width": width,
            "height": height,
            "text_y": y + height + 22 if below else max(y - 8, 20),
        }


@register.simple_tag
def overlay(image: Image) -> Overlay:
    return Overlay(image)


@register.simple_tag
def overlay_box(drawing: Overlay, face: Face) -> dict[str, Any]:
    return drawing.box(face.box)
