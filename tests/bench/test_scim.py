"""What provisioning costs, beside django-scim2 as it comes: same server, same PostgreSQL, same run.

BENCH_SCALE=0.1 makes every installation a tenth as large.
"""

import faulthandler
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import psycopg
import pytest
from django.conf import settings
from django.db import connection as django_connection
from django.test.utils import CaptureQueriesContext

from portal.embedded_postgres import PORT as POSTGRES_PORT
from tests import database
from tests.bench.scim_client import Client, crowd
from tests.bench.server import Server
from tests.bench.stock_scim.server import Stock, stock_scim
from tests.bench.timing import medians
from tests.people import Tenant
from tests.scim.conftest import confirmed
from tests.scim.many_users import fill
from tests.scim.stage import Scim, connection_of, group_body, operation, patch, token_of, user_body

pytestmark = pytest.mark.bench

SCALE = float(os.environ.get("BENCH_SCALE", "1"))
CLIENTS = 4
THREADS = ("--blocking-threads", "4")
ROUNDS = 5
REPEATED = 10
MEMBERS_OF_SYNCED_GROUP = 20


def scaled(number: int) -> int:
    """Return a size at the scale that was asked for."""
    return max(10, round(number * SCALE))


@pytest.fixture
def secret(acme: Tenant) -> str:
    """Return the token of acme's identity provider, who has provisioned one user called `template`."""
    token = token_of(acme, connection_of(confirmed(acme))).secret
    Scim(token).user("template")
    return token


@pytest.fixture
def stock(db: None) -> Iterator[Stock]:
    """Return the baseline."""
    with stock_scim() as baseline:
        yield baseline


def gatehouse(secret: str) -> Server:
    """Return the portal with the test's database."""
    place = f"host={quote(str(database.server().socket_directory), safe='')}&port={POSTGRES_PORT}"
    environment = {
        "GATEHOUSE_ENV": "test",
        "GATEHOUSE_DOTENV": "",
        "GATEHOUSE_HOME": str(settings.GATEHOUSE_HOME),
        "DATABASE_URL": f"postgresql://gatehouse_app@/{database.worker_database()}?{place}",
        "OPERATOR_DATABASE_URL": f"postgresql://gatehouse_operator@/{database.worker_database()}?{place}",
        "SCIM_RATE_PER_ORGANIZATION": "1000000000",
        "LOG_LEVEL": "WARNING",
    }
    return Server("wsgi", "portal.wsgi:application", f"Bearer {secret}", environment, THREADS)


@contextmanager
def client_of(server: Server) -> Iterator[Client]:
    """Serve, and yield one connection."""
    with server.running() as (port, _), Client(port, server.authorization) as client:
        yield client


def put_in_group(superuser: psycopg.Connection, group: str, members: int) -> None:
    """Make the first of the filled users members of a group."""
    statements = Path(__file__).with_name("scim_members.sql").read_text()
    superuser.execute("SET session_replication_role = replica")
    superuser.execute(statements.format(group=group, members=members))
    superuser.execute("VACUUM ANALYZE")


def equal(endpoint: str, attribute: str, value: str) -> str:
    """Return the path of what has this value."""
    text = f'{attribute} eq "{value}"'
    return f"{endpoint}?filter={quote(text)}"


def test_create_users(secret: str, stock: Stock) -> None:
    """4 clients create users; the candidates take turns."""
    each = scaled(200)
    servers = {"django-scim2": stock.server(*THREADS), "Gatehouse": gatehouse(secret)}
    rates: dict[str, list[float]] = {name: [] for name in servers}
    with servers["django-scim2"].running() as (their_port, _), servers["Gatehouse"].running() as (our_port, _):
        ports = {"django-scim2": their_port, "Gatehouse": our_port}
        for turn in range(ROUNDS + 1):  # the first one warms up
            for name, server in servers.items():
                with crowd(CLIENTS, ports[name], server.authorization) as clients:
                    rates[name].append(clients.rate([_creation(f"new-{turn}-{n}") for n in range(each)]))
    medians_of = {name: statistics.median(found[1:]) for name, found in rates.items()}
    print(f"\nSCIM: {CLIENTS} clients create users, one process each")
    for name, rate in medians_of.items():
        print(f"  {name:<28} {rate:8.0f}/s   {rate / medians_of['django-scim2']:6.2f} × django-scim2")


def _creation(name: str) -> Callable[[Client], object]:
    return lambda client: client.send("POST", "/Users", user_body(name), status=201)


def test_find_by_user_name(secret: str, superuser: psycopg.Connection) -> None:
    """`userName eq` takes about as long, and as many statements, with 100,000 users as with 1,000."""
    small, large = scaled(1_000), scaled(100_000)
    measured = []
    for first, last in ((1, small), (small + 1, large)):
        fill(superuser, first, last)
        path = equal("/Users", "userName", f"PERSON-{last}@acme.example")
        with client_of(gatehouse(secret)) as client:  # opened now: filling takes longer than a connection is kept
            assert client.send("GET", path)["totalResults"] == 1
            times = medians(20 * REPEATED, found=partial(client.send, "GET", path))
        measured.append((times["found"], statements(secret, path)))
    (small_ms, small_statements), (large_ms, large_statements) = measured
    print(f"\nSCIM: userName eq with {large:,} users against {small:,}")
    ratio = f"{large_ms / small_ms:5.2f} ×"
    print(f"  {small_ms:7.1f} ms → {large_ms:7.1f} ms   {ratio}   {large_statements} statements")
    assert small_statements == large_statements


def statements(secret: str, path: str) -> int:
    """Return how many statements a request takes."""
    with CaptureQueriesContext(django_connection) as queries:
        Scim(secret).get(path)
        return len(queries)


def test_list(secret: str, stock: Stock, superuser: psycopg.Connection) -> None:
    """A page of 100 among 10,000 users; it takes as many statements as a page of 1."""
    users = scaled(10_000)
    fill(superuser, 1, users)
    stock.fill(users=users, members=0)
    page = "/Users?startIndex=1&count=100"
    with client_of(stock.server(*THREADS)) as theirs, client_of(gatehouse(secret)) as ours:
        measured = medians(
            REPEATED,
            **{"django-scim2": partial(theirs.send, "GET", page), "Gatehouse": partial(ours.send, "GET", page)},
        )
    few, many = statements(secret, "/Users?count=1"), statements(secret, page)
    compare(f"count=100 among {users:,} users; {many} statements", measured)
    assert few == many


def test_large_group(secret: str, stock: Stock, superuser: psycopg.Connection) -> None:
    """One more member for a group of 5,000, and the list of groups with all of its members."""
    members = scaled(5_000)
    fill(superuser, 1, members + REPEATED + 1)
    their_group = stock.fill(users=members + REPEATED + 1, members=members)
    our_group = Scim(secret).group("Everybody")["id"]
    put_in_group(superuser, our_group, members)
    with client_of(stock.server(*THREADS)) as theirs, client_of(gatehouse(secret)) as ours:
        additions = {
            "django-scim2": _additions(theirs, their_group, members, status=200),
            "Gatehouse": _additions(ours, our_group, members, status=204),
        }
        measured = medians(REPEATED, **{name: partial(_next, calls) for name, calls in additions.items()})
        compare(f"one more member for a group of {members:,}", measured)
        lists = {"django-scim2": theirs, "Gatehouse": ours}
        measured = medians(REPEATED, **{name: partial(one.send, "GET", "/Groups") for name, one in lists.items()})
        compare(f"GET /Groups with a group of {members:,}", measured)
        (group,) = ours.send("GET", "/Groups")["Resources"]
    assert len(group["members"]) == members + REPEATED + 1


def _additions(client: Client, group: str, members: int, *, status: int) -> Iterator[Callable[[], object]]:
    """Yield calls, each of which adds a user who is not in the group yet."""
    for number in range(members + 1, members + REPEATED + 2):
        path = equal("/Users", "userName", f"person-{number}@acme.example")
        (user,) = client.send("GET", path)["Resources"]
        body = patch(operation("add", "members", [{"value": user["id"]}]))
        yield partial(client.send, "PATCH", f"/Groups/{group}", body, status=status)


def _next(calls: Iterator[Callable[[], object]]) -> None:
    next(calls)()


def compare(title: str, measured: dict[str, float]) -> None:
    """Print each candidate's time, and how many times faster than the baseline it is."""
    print(f"\nSCIM: {title}")
    for name, milliseconds in measured.items():
        ratio = measured["django-scim2"] / milliseconds
        print(f"  {name:<28} {milliseconds:8.1f} ms   {ratio:6.2f} × as fast as django-scim2")


def test_full_sync(secret: str) -> None:
    """A first sync: every user is looked up and created, every group as well, then filled."""
    faulthandler.cancel_dump_traceback_later()  # it takes longer than a test that hangs is given
    users, groups = scaled(10_000), scaled(500)
    server = gatehouse(secret)
    with server.running() as (port, process), crowd(CLIENTS, port, server.authorization) as clients:
        clients.rate([_look_up("/Users", "userName", "nobody")] * CLIENTS)
        before, began = resident(process), time.perf_counter()
        ids: dict[int, str] = {}
        clients.rate([partial(_sync_user, ids, number) for number in range(users)])
        clients.rate([partial(_sync_group, ids, number) for number in range(groups)])
        seconds, after = time.perf_counter() - began, resident(process)
    requests = 2 * users + 3 * groups
    print(
        f"\nSCIM: a full sync of {users:,} users and {groups:,} groups of {MEMBERS_OF_SYNCED_GROUP}, {CLIENTS} clients"
    )
    print(f"  {seconds:.0f} s, {requests:,} requests, {requests / seconds:.0f}/s")
    print(f"  resident memory {before:.0f} MB → {after:.0f} MB")


def _look_up(endpoint: str, attribute: str, value: str) -> Callable[[Client], Any]:
    path = equal(endpoint, attribute, value)
    return lambda client: client.send("GET", path)


def _sync_user(ids: dict[int, str], number: int, client: Client) -> None:
    body = user_body(f"synced-{number}")
    assert _look_up("/Users", "userName", body["userName"])(client)["totalResults"] == 0
    ids[number] = client.send("POST", "/Users", body, status=201)["id"]


def _sync_group(ids: dict[int, str], number: int, client: Client) -> None:
    name = f"Group {number}"
    assert _look_up("/Groups", "displayName", name)(client)["totalResults"] == 0
    group = client.send("POST", "/Groups", group_body(name), status=201)["id"]
    chosen = [{"value": ids[(number * MEMBERS_OF_SYNCED_GROUP + n) % len(ids)]} for n in range(MEMBERS_OF_SYNCED_GROUP)]
    body = patch(operation("add", "members", chosen))
    client.send("PATCH", f"/Groups/{group}", body, status=204)


def resident(process: psutil.Process) -> float:
    """Return the resident memory of a server's processes, in megabytes."""
    everyone = (process, *process.children(recursive=True))
    return float(sum(one.memory_info().rss for one in everyone)) / 1_000_000
