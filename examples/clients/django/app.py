"""Migrates and queries with Django. A project has these settings in settings.py."""

import os

import django
from django.conf import settings
from django.core.management import call_command

settings.configure(
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": os.environ["PGDATABASE"],  # libpq reads the other variables
            "CONN_MAX_AGE": None,  # the proxy has enough connections for all workers
        }
    },
    INSTALLED_APPS=["lakes"],
    USE_TZ=True,
)
django.setup()

from lakes.models import Lake  # noqa: E402: needs setup

call_command("migrate", verbosity=0)
Lake.objects.bulk_create(
    [Lake(name="Baikal", depth=1642), Lake(name="Tanganyika", depth=1470), Lake(name="Geneva", depth=310)],
    ignore_conflicts=True,
)
for lake in Lake.objects.filter(depth__gt=1000).order_by("name").iterator():
    print(lake.name, lake.depth)
