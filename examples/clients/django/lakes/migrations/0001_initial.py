"""As `manage.py makemigrations` writes it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel(
            name="Lake",
            fields=[
                ("name", models.CharField(max_length=100, primary_key=True, serialize=False)),
                ("depth", models.IntegerField(db_column="depth_m")),
            ],
        ),
    ]
