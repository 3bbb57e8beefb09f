"""Real PostgreSQL for the tests: one server, a migrated template, a copy for each worker, quick cleaning.

The server lives under ``.gatehouse/test/postgres`` without fsync. It is shared by the workers of a run and
by runs at the same time; the last one stops it. The template is migrated once for each state of the
sources, as gatehouse_migrator; a worker's copy takes about 50 ms. The tests see it as gatehouse_app and
commit; what they leave behind is deleted over a superuser's connection.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, LiteralString

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from psycopg import sql

from portal.bootstrap import ROLES_SQL, sources_digest
from portal.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError

TEMPLATES_KEPT = 3
# Written by migrations and never by the portal: not even looked at.
STATIC_TABLES = frozenset({"django_migrations", "django_content_type", "auth_permission", "audit_pendingchange"})
# A superuser says so in a test's database to change what triggers keep; elsewhere they have to take those away.
TRIGGERS_OFF = "SET session_replication_role = replica; SET tests.cleaning = 'on'"
TRIGGERS_ON = "SET session_replication_role = origin; RESET tests.cleaning"
# In a test's database these step aside while it is cleaned: nothing else there may empty the log.
STEPPING_ASIDE = {
    "audit_refuse_rewrite()": "RETURN coalesce(NEW, OLD)",
    "audit_keep_unattributed()": "RETURN coalesce(NEW, OLD)",
    "audit_judge_change()": "RETURN NULL",
}


def server() -> EmbeddedPostgres:
    """Return the tests' server."""
    embedded = settings.EMBEDDED_POSTGRES
    assert isinstance(embedded, EmbeddedPostgres)
    return embedded


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold a lock that all processes of all test runs of this checkout respect."""
    path = settings.GATEHOUSE_HOME / f"{name}.lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Lease:
    """A test run's claim on the server; released by the system when the run is killed."""

    def __init__(self) -> None:
        Path(settings.GATEHOUSE_HOME).mkdir(parents=True, exist_ok=True)
        self._file: IO[str] = (settings.GATEHOUSE_HOME / "in-use.lock").open("w")
        fcntl.flock(self._file, fcntl.LOCK_SH)

    def release(self) -> None:
        """Give the claim up; the last one stops the server."""
        with locked("server"):
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pass
            else:
                server().stop()
            self._file.close()


def create_database(name: str) -> None:
    """Create the database ``name`` as a copy of the migrated template; starts the server if need be."""
    with locked("server"):
        started = _start()
        with psycopg.connect(server().dsn(), autocommit=True) as connection:
            if started:
                _drop(connection, "LIKE 'test\\_%'")
            template = _template(connection)
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
            )
        _grant(name)  # the rights on a database are not copied


def _start() -> bool:
    """Start the server; data that a power failure spoilt (there is no fsync) is made anew."""
    try:
        return server().start()
    except EmbeddedPostgresError:
        server().remove()
        return server().start()


def drop_database(name: str) -> None:
    """Drop a copy, also while something is connected to it."""
    with psycopg.connect(server().dsn(), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def use_database(name: str) -> None:
    """Point every alias of this process to the database ``name``."""
    for alias in connections:
        connections[alias].close()
        connections[alias].settings_dict["NAME"] = name


def _template(connection: psycopg.Connection) -> str:
    """Return the template for the present sources, migrating it when there is none."""
    name = f"template_{sources_digest(settings.BASE_DIR)}"
    if connection.execute("SELECT true FROM pg_database WHERE datname = %s", [name]).fetchone():
        return name
    unfinished = "template_unfinished"
    _drop(connection, "= 'template_unfinished'")
    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(unfinished)))
    _grant(unfinished)
    before = connections["default"].settings_dict["NAME"]
    use_database(unfinished)
    try:
        call_command("migrate", verbosity=0, interactive=False)
    finally:
        connections.close_all()
        use_database(before)
    connection.execute(
        sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(unfinished), sql.Identifier(name))
    )
    old = connection.execute(
        "SELECT datname FROM pg_database WHERE datname LIKE 'template\\_%%' ORDER BY oid DESC OFFSET %s",
        [TEMPLATES_KEPT],
    ).fetchall()
    for (stale,) in old:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(stale)))
    return name


def _drop(connection: psycopg.Connection, condition: LiteralString) -> None:
    query = sql.SQL("SELECT datname FROM pg_database WHERE datname ") + sql.SQL(condition)
    for (name,) in connection.execute(query).fetchall():
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _grant(name: str) -> None:
    with psycopg.connect(server().dsn(database=name)) as connection:
        connection.execute(ROLES_SQL.read_bytes())


_UNATTRIBUTED = "public.audit_unattributedchange"
_UNATTRIBUTED_QUERY = """
SELECT DISTINCT operation || ' ' || table_name || ' (' || why || ')' FROM audit_unattributedchange
WHERE database_user = 'gatehouse_app' ORDER BY 1
"""


class Cleaner:
    """Puts a database back to what the migrations left, over a superuser's connections.

    ``session_replication_role = replica`` turns triggers and foreign keys off, so the order does not matter
    and append-only tables can be emptied. Rows that migrations made are restored from copies. A second connection looks
    what there is: it has its plans ready, which every change of that setting would throw away.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._connection, self._looking = self._connect(), self._connect()
        self._connection.execute("CREATE SCHEMA IF NOT EXISTS baseline")
        for function, way_out in STEPPING_ASIDE.items():
            self._step_aside(function, way_out)
        self._connection.execute(TRIGGERS_OFF)
        self._connection.execute("DELETE FROM audit_unattributedchange")  # of stepping aside itself
        tables = self._tables()
        filled = self._filled(tables)
        self._restored = {table: self._keep(table, table) for table in filled}
        self._restored_query = self._union(
            self._restored, "SELECT {label}, md5(string_agg(t::text, ',' ORDER BY t::text)) FROM {table} t"
        )
        self._emptied_query = self._union(
            [table for table in tables if table not in self._restored],
            "SELECT {label} WHERE EXISTS (SELECT FROM {table})",
        )
        self._digests: dict[str, str] = dict(self._connection.execute(self._restored_query).fetchall())

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()
        self._looking.close()

    def keep(self, name: str) -> None:
        """Copy aside what was added to a clean database, and clean it.

        Args:
            name: by which `bring_back` puts it there again.
        """
        dirty, changed = self._look()
        statements = [self._keep(table, f"{name} {table}") for table in (*dirty, *changed)]
        statements[:0] = [sql.SQL("DELETE FROM {}").format(_raw(table)) for table in changed]
        body = sql.SQL("BEGIN {}; END").format(sql.SQL("; ").join(statements))
        function = sql.SQL("CREATE FUNCTION {}() RETURNS void LANGUAGE plpgsql AS {}")
        self._connection.execute(
            function.format(sql.Identifier("baseline", name), sql.Literal(body.as_string(self._connection)))
        )
        self.clean()

    def bring_back(self, name: str) -> None:
        """Add what was kept under a name."""
        self._connection.execute(sql.SQL("SELECT {}()").format(sql.Identifier("baseline", name)))

    def clean(self) -> list[str]:
        """Delete what a test left.

        Returns:
            What was committed as the app and no audit event names, in words.

        Raises:
            AssertionError: a test left a transaction open that holds locks; it was ended by force.
        """
        try:
            return self._clean()
        except psycopg.errors.LockNotAvailable:
            self._connection.rollback()
            self._connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            self._clean()
            raise AssertionError("the test left a database transaction open in another thread or process") from None

    def _clean(self) -> list[str]:
        connection = self._connection
        dirty, changed = self._look()
        if not dirty and not changed:
            return []
        unattributed = []
        if _UNATTRIBUTED in dirty:
            unattributed = [text for (text,) in connection.execute(_UNATTRIBUTED_QUERY).fetchall()]
        with connection.transaction():
            for table in (*dirty, *changed):
                connection.execute(sql.SQL("DELETE FROM {}").format(_raw(table)))
            for table in changed:
                connection.execute(self._restored[table])
        connection.execute("TRUNCATE audit_pendingchange")  # what a sweep does; cleaning noted itself there, too
        return unattributed

    def _look(self) -> tuple[list[str], list[str]]:
        """Return the tables that have rows although they were empty, and those whose rows are others now."""
        dirty = [table for (table,) in self._looking.execute(self._emptied_query).fetchall()]
        digests: dict[str, str] = dict(self._looking.execute(self._restored_query).fetchall())
        return dirty, [table for table, digest in digests.items() if digest != self._digests[table]]

    def _step_aside(self, function: str, way_out: LiteralString) -> None:
        row = self._connection.execute("SELECT pg_get_functiondef(%s::regprocedure)", [function]).fetchone()
        if row is None or "tests.cleaning" in row[0]:
            return
        aside = f"BEGIN\n    IF current_setting('tests.cleaning', true) = 'on' THEN {way_out}; END IF;\n"
        self._connection.execute(row[0].replace("BEGIN\n", aside, 1).encode())

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            server().dsn(database=self._name),
            autocommit=True,
            options="-c lock_timeout=5s -c client_min_messages=warning",
        )

    def _tables(self) -> list[str]:
        """Return every table but the partitions, quoted with its schema."""
        rows = self._connection.execute(
            """
            SELECT format('%%I.%%I', nspname, relname)
            FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
            WHERE relkind IN ('r', 'p') AND NOT relispartition AND relname <> ALL (%s)
              AND nspname NOT IN ('pg_catalog', 'information_schema', 'baseline')
            ORDER BY 1
            """,
            [sorted(STATIC_TABLES)],
        ).fetchall()
        return [table for (table,) in rows]

    def _filled(self, tables: list[str]) -> list[str]:
        query = self._union(tables, "SELECT {label} WHERE EXISTS (SELECT FROM {table})")
        return [table for (table,) in self._connection.execute(query).fetchall()]

    def _keep(self, table: str, name: str) -> sql.Composed:
        """Copy a table's rows aside, under a name, and return the statement that brings them back.

        A column that names the transaction of its row names the one that brings it back.
        """
        copy = sql.Identifier("baseline", name)
        self._connection.execute(sql.SQL("CREATE TABLE {} AS TABLE {}").format(copy, _raw(table)))
        columns = self._connection.execute(
            """
            SELECT attname FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
            WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
              AND coalesce(pg_get_expr(adbin, adrelid), '') <> 'pg_current_xact_id()'
            """,
            [table],
        ).fetchall()
        names = sql.SQL(", ").join(sql.Identifier(name) for (name,) in columns)
        statement = "INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE SELECT {names} FROM {copy}"
        return sql.SQL(statement).format(table=_raw(table), names=names, copy=copy)

    @staticmethod
    def _union(tables: Iterable[str], select: LiteralString) -> sql.Composed:
        parts = [sql.SQL(select).format(label=sql.Literal(table), table=_raw(table)) for table in tables]
        return sql.SQL(" UNION ALL ").join(parts or [sql.SQL("SELECT NULL WHERE false").format()])


def _raw(quoted: str) -> sql.SQL:
    """Return a name that PostgreSQL's format(%I) has quoted already."""
    return sql.SQL(quoted)


def worker_database() -> str:
    """Return the name of this worker's database."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))[:12]
    return f"test_{run}_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
