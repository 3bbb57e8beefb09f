"""The tests' settings with the three other audit logs installed."""

from tests.settings import *  # noqa: F403 - the portal's settings are made to be taken over

INSTALLED_APPS += ["auditlog", "pgtrigger", "pghistory", "simple_history", "tests.bench.audited"]  # noqa: F405
DATABASE_ROUTERS = ["tests.bench.audited.router.OwnerMigrates", *DATABASE_ROUTERS]  # noqa: F405
