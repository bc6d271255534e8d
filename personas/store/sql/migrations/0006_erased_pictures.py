from django.db import migrations, models
from django.utils import timezone


class Migration(migrations.Migration):
    dependencies = [
        ("sqlstore", "0005_deleted_pictures"),
    ]

    operations = [
        migrations.CreateModel(
            name="ErasedImageRow",
            fields=[
                ("image_id", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("command_id", models.CharField(max_length=36)),
            ],
            options={
                "db_table": "store_image_erased",
            },
        ),
        migrations.AddField(  # pictures deleted so far count as deleted now
            model_name="deletedimagerow",
            name="at",
            field=models.DateTimeField(default=timezone.now),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="deletedimagerow",
            name="command_id",
            field=models.CharField(blank=True, default="", max_length=36),
            preserve_default=False,
        ),
    ]
