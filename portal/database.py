"""Which database this process talks to, and keeping the embedded one up while it does."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from portal.bootstrap import ensure_database
from portal.embedded_postgres import EmbeddedPostgres

WITHOUT_DATABASE = frozenset({"help", "version", "collectstatic", "makemessages", "compilemessages", "findstatic"})


def embedded_server() -> EmbeddedPostgres | None:
    """Return the embedded server of this checkout, None when DATABASE_URL names another one.

    Raises:
        ConfigurationError: a setting is malformed.
    """
    from django.conf import settings  # noqa: PLC0415 - read after a malformed setting can be reported

    server: EmbeddedPostgres | None = settings.EMBEDDED_POSTGRES
    return server


@contextmanager
def available_database(command: Sequence[str] = ()) -> Iterator[None]:
    """Keep the database up inside the block.

    A running embedded server is used as it is; otherwise it is started and stopped again afterwards.

    Args:
        command: the management command, for those that need no database.

    Raises:
        EmbeddedPostgresError: the embedded server cannot start.
    """
    server = embedded_server()
    name = command[0] if command else "help"
    if server is None or name in WITHOUT_DATABASE or name.startswith("-"):
        yield
        return
    with server.running():
        ensure_database(server)
        yield
