from django.apps import AppConfig


class FaceProjectConfig(AppConfig):
    """Checks that span the applications."""

    name = "faceproject"

    def ready(self) -> None:
        from faceproject import checks  # noqa: F401 - importing registers them
