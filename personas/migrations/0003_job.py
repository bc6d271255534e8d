from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("personas", "0002_api_token"),
    ]

    operations = [
        migrations.CreateModel(
            name="Job",
            fields=[
                ("job_id", models.CharField(max_length=80, primary_key=True, serialize=False)),
            ],
            options={
                "managed": False,
                "default_permissions": ("view", "change"),
            },
        ),
    ]
