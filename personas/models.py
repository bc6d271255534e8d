"""The few tables that belong to the web itself, and names for what lies behind the store port.

The unmanaged models have no tables: they give Persona, Face, Label, … permissions, a place in the admin's index and an
object type in its log. Their pages read and write through the store port (see `personas.admin`).
"""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models


class OneTimeLink(models.Model):
    """A sign-in link that was given out: only the token's hash is kept, and using it is one conditional update."""

    token_hash = models.CharField(max_length=64, primary_key=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"sign-in link of {self.created_at:%Y-%m-%d %H:%M}"


class ApiToken(models.Model):
    """By which a program acts as a user: see `personas.api_tokens`. Only the token's hash is kept."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=60)
    token_hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        default_permissions: ClassVar = ()
        constraints: ClassVar = [models.UniqueConstraint(fields=["user", "name"], name="one_token_a_name")]

    def __str__(self) -> str:
        return f"API token {self.pk}"


class Persona(models.Model):
    """See `personas.entities.Persona`."""

    persona_id = models.CharField(max_length=64, primary_key=True)
    name = models.CharField(max_length=200)

    class Meta:
        managed = False

    def __str__(self) -> str:
        return self.name


class Image(models.Model):
    """See `personas.entities.Image`."""

    image_id = models.CharField(max_length=64, primary_key=True)

    class Meta:
        managed = False

    def __str__(self) -> str:
        return self.image_id[:12]


class Face(models.Model):
    """See `personas.entities.Face`. The key is `image_id:face_no`."""

    key = models.CharField(max_length=80, primary_key=True)

    class Meta:
        managed = False

    def __str__(self) -> str:
        return self.key


class Label(models.Model):
    """See `personas.entities.Label`. The key is `image_id:face_no:persona_id`."""

    key = models.CharField(max_length=160, primary_key=True)

    class Meta:
        managed = False

    def __str__(self) -> str:
        return self.key


class ModelVersion(models.Model):
    """See `personas.entities.ModelVersion`."""

    version = models.PositiveIntegerField(primary_key=True)

    class Meta:
        managed = False
        verbose_name = "model version"

    def __str__(self) -> str:
        return f"version {self.version}"


class Event(models.Model):
    """See `personas.entities.Event`. The key is `stream:seq`."""

    key = models.CharField(max_length=40, primary_key=True)

    class Meta:
        managed = False
        default_permissions: ClassVar = ("view",)

    def __str__(self) -> str:
        return self.key


class Job(models.Model):
    """See `personas.entities.Job`."""

    job_id = models.CharField(max_length=80, primary_key=True)

    class Meta:
        managed = False
        default_permissions: ClassVar = ("view", "change")

    def __str__(self) -> str:
        return self.job_id
