"""Starts Django as a program with the usual applications does, migrates, works by its
models and migrates back, by libpq's environment. Prints what it saw, in lines that are the
same wherever it runs."""

import io
import os

import django
from django.conf import settings

settings.configure(
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": os.environ["PGDATABASE"],
            "CONN_MAX_AGE": None,
            "OPTIONS": {"options": "-c default_transaction_isolation=serializable"},
        }
    },
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions", "django.contrib.postgres"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],  # quick
    USE_TZ=True,
    TIME_ZONE="Asia/Kathmandu",
)
django.setup()

from django.contrib.auth.models import Group, User  # noqa: E402: needs setup
from django.core.management import call_command  # noqa: E402
from django.db import IntegrityError, connection, transaction  # noqa: E402
from django.db.models import F  # noqa: E402
from django.db.models.functions import TruncDay  # noqa: E402
from django.utils import timezone  # noqa: E402


def command(*args):
    out = io.StringIO()
    call_command(*args, stdout=out, no_color=True)
    print(out.getvalue())


def value(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


command("migrate", "-v", "1")
command("migrate", "--check")
command("inspectdb")
for setting in "TimeZone", "default_transaction_isolation", "client_encoding":
    print(setting, value(f"show {setting}"))

Group.objects.bulk_create(Group(name=f"group {n}") for n in range(500))
then = timezone.make_aware(timezone.datetime(2026, 1, 1))
for n in range(20):
    user = User.objects.create(username=f"user {n}", date_joined=then + n * timezone.timedelta(hours=7))
    user.groups.add(*Group.objects.filter(id__lte=n))
try:
    with transaction.atomic():
        User.objects.filter(username="user 1").update(first_name="lost")
        User.objects.create(username="user 2")
except IntegrityError as error:
    print(error)
with transaction.atomic():
    User.objects.select_for_update().filter(username="user 3").update(first_name="kept", id=F("id"))
    try:
        with transaction.atomic():
            User.objects.create(username="user 4")
    except IntegrityError as error:
        print(error)
print(list(User.objects.exclude(first_name="").values_list("username", "first_name")))
print([(u.username, sorted(g.name for g in u.groups.all())) for u in User.objects.prefetch_related("groups").order_by("id")])
print(list(User.objects.annotate(day=TruncDay("date_joined")).values_list("day", flat=True).distinct().order_by("day")))
names = []
for group in Group.objects.order_by("id").iterator(chunk_size=50):  # a cursor on the server
    names.append(group.name)
    if len(names) % 100 == 0:
        print(names[-1], User.objects.filter(groups=group).count())
command("migrate", "auth", "zero", "-v", "1")
print(connection.introspection.table_names())
