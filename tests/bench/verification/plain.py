"""A plain Django view with the same lookups as the gateway, each time from the database."""

import base64
import json
import os

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=[],
    MIDDLEWARE=[],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": os.environ["BENCH_DATABASE"],
            "USER": "gatehouse_app",
            "HOST": os.environ["BENCH_HOST"],
            "PORT": os.environ["BENCH_PORT"],
            "CONN_MAX_AGE": None,
        }
    },
)
django.setup()

from accounts.key_format import digest  # noqa: E402 - after the settings
from gateway.hotpath.records import MemoryRecord, record_of  # noqa: E402 - the same

PEPPER = bytes.fromhex(os.environ["BENCH_PEPPER"])


def look_up(secret: str) -> MemoryRecord | None:
    """Return what the database says about a secret."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT gateway_key(%s, '')", [[digest(secret, PEPPER)]])
        (row,) = cursor.fetchone()
    return record_of(json.loads(row), "") if row else None  # outside of its own fields Django leaves jsonb as text


def introspect(request: HttpRequest) -> HttpResponse:
    """Verify the caller, then the key it asks about."""
    shown = base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode()
    caller = look_up(shown.partition(":")[2])
    if caller is None or not caller.is_active:
        return HttpResponse(status=401)
    record = look_up(request.POST["token"])
    body = record.body if record and record.body else b'{"active":false}'
    return HttpResponse(body, content_type="application/json")


urlpatterns = [path("api/v1/introspect", introspect)]
application = WSGIHandler()
