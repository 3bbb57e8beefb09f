"""First-run work of the embedded default: secrets, the database, its roles. Idempotent."""

import base64
import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

import psycopg
from psycopg import sql

from portal.embedded_postgres import EmbeddedPostgres
from portal.environment import read_dotenv
from vault.configuration import DEVELOPMENT, KEY_BYTES

DATABASE = "gatehouse"
PACKAGES = ("isolation", "vault", "audit", "tenants", "accounts", "gateway", "console", "portal")
ROLES_SQL = Path(__file__).resolve().parent.parent / "isolation" / "sql" / "roles.sql"


def _development_key() -> str:
    """Return key number 1, marked so that production refuses it wherever it is copied to."""
    return f"1:{DEVELOPMENT}{base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()}"


SECRETS: Mapping[str, Callable[[], str]] = {
    "SECRET_KEY": lambda: secrets.token_urlsafe(64),
    "KEYRING_KEYS": _development_key,
    "KEYRING_PEPPERS": _development_key,
}


def ensure_secrets(path: Path) -> dict[str, str]:
    """Return the first-run secrets, making the file (mode 0600) or its missing lines first.

    Args:
        path: the file, one ``NAME=value`` a line.

    Returns:
        Every secret of the file.
    """
    path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    # Several processes start at once; the lock keeps them from inventing different secrets.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        found: dict[str, str] = {}
        read_dotenv(path, into=found)
        missing = {name: make() for name, make in SECRETS.items() if name not in found}
        file.writelines(f"{name}={value}\n" for name, value in missing.items())
    return found | missing


def ensure_database(server: EmbeddedPostgres, name: str = DATABASE) -> None:
    """Create the database and the roles of a running embedded server, or bring them up to date.

    Args:
        server: the running server.
        name: the database.
    """
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        # Another process may be here too: CREATE DATABASE has no IF NOT EXISTS.
        connection.execute("SELECT pg_advisory_lock(hashtext('gatehouse database'))")
        found = connection.execute("SELECT true FROM pg_database WHERE datname = %s", [name]).fetchone()
        if not found:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        with psycopg.connect(server.dsn(database=name)) as target:
            target.execute(ROLES_SQL.read_bytes())


def sources_digest(base: Path) -> str:
    """Return a digest of everything that decides what ``migrate`` does.

    Permissions and content types follow the models, so the whole sources count, not the migrations alone.

    Args:
        base: the directory of the project.
    """
    digest = hashlib.sha256()
    files = [base / "requirements.lock"]
    for package in PACKAGES:
        files += sorted(path for path in (base / package).rglob("*") if path.suffix in {".py", ".sql"})
    for path in files:
        digest.update(f"{path.relative_to(base)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def read_state(server: EmbeddedPostgres, name: str = DATABASE) -> dict[str, str]:
    """Return what `write_state` noted in the database, empty for a new one."""
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        row = connection.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [name]
        ).fetchone()
    try:
        state = json.loads(row[0]) if row and row[0] else {}
    except ValueError:
        return {}  # somebody else's comment: everything is done again, which is harmless
    return state if isinstance(state, dict) else {}


def write_state(server: EmbeddedPostgres, state: Mapping[str, str], name: str = DATABASE) -> None:
    """Note in the database itself which start-up steps are done: it cannot be out of step with the data."""
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute(
            sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), sql.Literal(json.dumps(dict(state))))
        )
