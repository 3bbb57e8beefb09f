"""djangorestframework-api-key as it comes: its model, its permission, Django REST framework's view."""

import os

import django
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    SECRET_KEY="of this benchmark alone",
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "rest_framework",
        "rest_framework_api_key",
    ],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    REST_FRAMEWORK={"DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"]},
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": os.environ["BENCH_DATABASE"],
            "USER": "postgres",
            "HOST": os.environ["BENCH_HOST"],
            "PORT": os.environ["BENCH_PORT"],
            "CONN_MAX_AGE": None,
        }
    },
)
django.setup()

from django.core.handlers.wsgi import WSGIHandler  # noqa: E402 - after the settings
from django.core.management import call_command  # noqa: E402 - the same
from django.urls import path  # noqa: E402 - the same
from rest_framework.request import Request  # noqa: E402 - the same
from rest_framework.response import Response  # noqa: E402 - the same
from rest_framework.views import APIView  # noqa: E402 - the same
from rest_framework_api_key.models import APIKey  # noqa: E402 - the same
from rest_framework_api_key.permissions import HasAPIKey  # noqa: E402 - the same


class Verify(APIView):
    """Says that the key is valid."""

    authentication_classes = ()
    permission_classes = (HasAPIKey,)

    def post(self, request: Request) -> Response:
        """Answer."""
        return Response({"active": True})


urlpatterns = [path("api/v1/introspect", Verify.as_view())]
application = WSGIHandler()

if __name__ == "__main__":
    call_command("migrate", verbosity=0, interactive=False)
    print(APIKey.objects.create_key(name="bench")[1])
