from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("sqlstore", "0006_erased_pictures"),
    ]

    operations = [
        migrations.CreateModel(
            name="GonePersonaRow",
            fields=[
                ("persona_id", models.CharField(max_length=100, primary_key=True, serialize=False)),
                ("heir", models.CharField(blank=True, default="", max_length=100)),
            ],
            options={
                "db_table": "store_persona_gone",
            },
        ),
    ]
