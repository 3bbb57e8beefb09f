"""Tables for Celery's broker on the embedded PostgreSQL."""

from pathlib import Path
from typing import ClassVar

from django.db import migrations

SQL = (Path(__file__).parent / "broker.sql").read_text(encoding="utf-8")


class Migration(migrations.Migration):
    """Creates the schema ``broker``."""

    initial = True
    dependencies: ClassVar = []
    operations: ClassVar = [migrations.RunSQL(SQL, "DROP SCHEMA broker CASCADE")]
