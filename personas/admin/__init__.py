"""Administration over the store port: people, faces and what was said of them, pictures, and the log of events."""

from personas.admin import events, faces, labels, people, pictures

__all__ = ["events", "faces", "labels", "people", "pictures"]
