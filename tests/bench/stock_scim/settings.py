"""A project with django-scim2 and nothing else: what its documentation asks for."""

import os

ALLOWED_HOSTS = ["*"]
SECRET_KEY = "of this benchmark alone"
ROOT_URLCONF = "tests.bench.stock_scim.urls"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django_scim", "tests.bench.stock_scim"]
AUTH_USER_MODEL = "stock_scim.User"
MIDDLEWARE = [
    "django.middleware.common.CommonMiddleware",
    "tests.bench.stock_scim.authentication.BearerMiddleware",
    "django_scim.middleware.SCIMAuthCheckMiddleware",
]
# The tables are made from the models, in one go.
MIGRATION_MODULES = {"auth": None, "contenttypes": None}
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ["BENCH_DATABASE"],
        "USER": "postgres",
        "HOST": os.environ["BENCH_HOST"],
        "PORT": os.environ["BENCH_PORT"],
        "CONN_MAX_AGE": None,
    }
}
SCIM_SERVICE_PROVIDER = {
    "NETLOC": "localhost",
    "SCHEME": "http",
    "GROUP_MODEL": "tests.bench.stock_scim.models.Group",
    "AUTHENTICATION_SCHEMES": [{"type": "oauthbearertoken", "name": "Bearer", "description": "One token"}],
}
