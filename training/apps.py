from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "training"

    def ready(self) -> None:
        from personas.recogniser import plug_in

        def champion():  # type: ignore[no-untyped-def]
            from training.champion import current_champion  # numpy and scikit-learn load only when somebody asks

            return current_champion()

        plug_in(champion)
