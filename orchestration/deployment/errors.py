"""What can go wrong with a deployment."""

from __future__ import annotations

from personas.errors import FaceProjectError


class DeploymentError(FaceProjectError):
    """A deployment cannot go on; the message says what happened and what to do next."""


class DescriptionError(DeploymentError):
    """deployment.toml is not one: each line names a key and says what is wrong with it."""
