"""A name server on loopback, over UDP and TCP, that holds TXT records and can be made to misbehave."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from tenants.models import Domain

_SMALL = 512


class NameServer:
    """Answers from `records`; a name that is in none of its tables does not exist.

    Attributes:
        records: the TXT records of each name, each a list of strings; an empty list is a name without any.
        broken: names that are answered with an error code.
        silent: names that are never answered.
        aliases: names that are another one (CNAME).
        asked: (name, "udp" or "tcp") of every question.
    """

    def __init__(self) -> None:
        self.records: dict[str, list[Any]] = {}
        self.broken: dict[str, dns.rcode.Rcode] = {}
        self.silent: set[str] = set()
        self.aliases: dict[str, str] = {}
        self.asked: list[tuple[str, str]] = []
        self.stream = socket.create_server(("127.0.0.1", 0))
        self.datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.datagrams.bind(self.address)

    @property
    def address(self) -> tuple[str, int]:
        """Return where it listens, the same port for both."""
        address: tuple[str, int] = self.stream.getsockname()
        return address

    def publish(self, domain: Domain, *, at: str | None = None) -> None:
        """Publish the record that proves a domain, beside what stands there already."""
        self.records.setdefault(at or domain.record_name, []).append(domain.record_value)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serve until the block ends."""
        threads = [threading.Thread(target=serve) for serve in (self._serve_datagrams, self._serve_streams)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            # A closed socket does not wake who waits in it; an empty message and a bare connection do.
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"", self.address)
            socket.create_connection(self.address).close()
            for thread in threads:
                thread.join(10)
            self.datagrams.close()
            self.stream.close()

    def _serve_datagrams(self) -> None:
        while True:
            wire, client = self.datagrams.recvfrom(4096)
            if not wire:
                return
            if answer := self._answer(wire, "udp"):
                self.datagrams.sendto(answer, client)

    def _serve_streams(self) -> None:
        while True:
            connection, _ = self.stream.accept()
            with connection, connection.makefile("rb") as incoming:
                length = incoming.read(2)
                if len(length) < 2:
                    return
                answer = self._answer(incoming.read(*struct.unpack("!H", length)), "tcp")
                if answer:
                    connection.sendall(struct.pack("!H", len(answer)) + answer)

    def _answer(self, wire: bytes, transport: str) -> bytes:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        self.asked.append((name, transport))
        if name in self.silent:
            return b""
        response = dns.message.make_response(query, recursion_available=True)
        if name in self.broken:
            response.set_rcode(self.broken[name])
            return response.to_wire()
        target = self.aliases.get(name, name)
        if target != name:
            response.answer.append(dns.rrset.from_text(question.name, 60, "IN", "CNAME", f"{target}."))
        if target not in self.records:
            response.set_rcode(dns.rcode.NXDOMAIN)
        texts = [[text] if isinstance(text, str) else text for text in self.records.get(target, [])]
        if texts:
            rows = [" ".join('"' + part.replace('"', '\\"') + '"' for part in parts) for parts in texts]
            response.answer.append(dns.rrset.from_text(f"{target}.", 60, "IN", "TXT", *rows))
        answer = response.to_wire(max_size=65_535)
        if transport == "udp" and len(answer) > _SMALL:
            response.answer.clear()
            response.flags |= dns.flags.TC
            return response.to_wire()
        return answer
