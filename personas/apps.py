from django.apps import AppConfig
from django.db.models.signals import post_migrate


class PersonasConfig(AppConfig):
    name = "personas"

    def ready(self) -> None:
        from personas.roles import ensure_roles

        # Connected after auth's own receiver, which makes the permissions that roles hold.
        post_migrate.connect(ensure_roles, sender=self, dispatch_uid="personas.roles")
