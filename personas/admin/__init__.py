"""Administration over the store port: people, faces and what was said of them, pictures, jobs, events; and of users."""

from personas.admin import accounts, events, faces, jobs, labels, people, pictures

__all__ = ["accounts", "events", "faces", "jobs", "labels", "people", "pictures"]
