"""What the tests of sealing share: events written as other processes write them, and a look at what was sealed."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import psycopg

from audit.merkle import Edge, leaf_hash
from audit.notes import INSTALLATION
from tests import database

INSERT = """
INSERT INTO audit_event (id, time, organization_id, actor_kind, actor_label, via, action, outcome, target_type,
                         target_id, target_label, project_label, before, after, reason, request_id, session, ip,
                         user_agent)
VALUES (gen_random_uuid(), clock_timestamp(), %s, 'user', 'ada@acme.example', 'console', 'member.role_changed',
        'success', 'member', '', 'grace@acme.example', '', '{"role": "Viewer"}', '{"role": "Member", "active": true}',
        %s, '', '', '203.0.113.7', '')
RETURNING id
"""
MANY = INSERT.replace("VALUES (", "SELECT ").replace("'')\nRETURNING id", "'' FROM generate_series(1, %s)")


@contextmanager
def writer() -> Iterator[psycopg.Connection]:
    """Yield a connection that is bound by nothing."""
    with psycopg.connect(database.server().dsn(database=database.worker_database())) as connection:
        yield connection


def write(connection: psycopg.Connection, organization: UUID | None, reason: str = "") -> UUID:
    """Write an event in the connection's transaction."""
    row = connection.execute(INSERT, [organization, reason]).fetchone()
    assert row is not None
    return UUID(str(row[0]))


def write_many(connection: psycopg.Connection, organization: UUID | None, count: int) -> None:
    """Write many events in the connection's transaction."""
    connection.execute(MANY, [organization, "", count])


def check_sealed(superuser: psycopg.Connection) -> int:
    """Check that every event is sealed once, without a gap, in the tree that the checkpoints are about.

    Returns:
        The number of leaves.
    """
    events = superuser.execute("SELECT organization_id, id FROM audit_event").fetchall()
    leaves = superuser.execute(
        "SELECT l.organization_id, seq, event_id, hash, body FROM audit_leaf l"
        " JOIN audit_leaftext t USING (organization_id, seq, event_time) ORDER BY 1, 2"
    ).fetchall()
    assert sorted((log or INSTALLATION, event) for log, event in events) == sorted((row[0], row[2]) for row in leaves)
    trees: dict[UUID, Edge] = {}
    roots: dict[tuple[UUID, int], bytes] = {}
    for log, seq, _event, digest, body in leaves:
        tree = trees.setdefault(log, Edge())
        assert seq == tree.size
        assert leaf_hash(body.encode()) == digest
        tree.append(digest)
        roots[log, tree.size] = tree.root()
    ends: dict[UUID, int] = {}
    for log, start, size, root in superuser.execute(
        "SELECT organization_id, start, size, root FROM audit_checkpoint ORDER BY organization_id, size"
    ).fetchall():
        assert ends.get(log, 0) == start
        assert roots[log, size] == root
        ends[log] = size
    assert ends == {log: tree.size for log, tree in trees.items()}
    return len(leaves)
