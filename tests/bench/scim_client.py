"""An identity provider in a hurry: keep-alive connections, several at once, on loopback."""

import http.client
import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

MEDIA = "application/scim+json"
PATIENCE = 120.0


class Client:
    """One connection that stays open.

    Args:
        port: the server's.
        authorization: the header of every request.
    """

    def __init__(self, port: int, authorization: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        self._headers = {"Authorization": authorization, "Content-Type": MEDIA}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._connection.close()

    def send(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        """Return the parsed answer, which must have this status."""
        sent = json.dumps(body).encode() if body is not None else None
        self._connection.request(method, f"/scim/v2{path}", sent, self._headers)
        response = self._connection.getresponse()
        content = response.read()
        assert response.status == status, (method, path, response.status, content[:2000])
        return json.loads(content) if content else None


class Crowd:
    """Several connections at once, each with a thread of its own.

    Args:
        clients: the connections.
    """

    def __init__(self, clients: Sequence[Client]) -> None:
        self._clients = clients
        self._pool = ThreadPoolExecutor(len(clients))

    def rate(self, jobs: Sequence[Callable[[Client], object]]) -> float:
        """Do all jobs, each connection its share of them, and return how many were done a second."""
        shares = [jobs[number :: len(self._clients)] for number in range(len(self._clients))]
        began = time.perf_counter()
        list(self._pool.map(self._work, self._clients, shares))
        return len(jobs) / (time.perf_counter() - began)

    @staticmethod
    def _work(client: Client, jobs: Sequence[Callable[[Client], object]]) -> None:
        for job in jobs:
            job(client)

    def close(self) -> None:
        """Close the connections."""
        self._pool.shutdown()
        for client in self._clients:
            client.__exit__(None, None, None)


@contextmanager
def crowd(size: int, port: int, authorization: str) -> Iterator[Crowd]:
    """Yield so many connections to a server."""
    people = Crowd([Client(port, authorization) for _ in range(size)])
    try:
        yield people
    finally:
        people.close()
