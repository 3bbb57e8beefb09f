"""What a transformer process is told by the settings, read once when it starts."""

from dataclasses import dataclass, field
from pathlib import Path

from gateway.hotpath.config import conninfo


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of a transformer process.

    Attributes:
        address: where it listens, as host:port.
        conninfo: how libpq reaches the database, where usage is written.
        counter_url: where limits are counted, "" for the database.
        mappings: the operator's file of mappings, None without one.
        most_bytes: the longest body of a request.
        certificate, private_key: PEM files of the server; None for plain gRPC, which is for loopback and pods.
        client_authorities: PEM file of who may have signed Envoy's certificate; None asks for none.
    """

    address: str
    conninfo: str = field(repr=False)
    counter_url: str = field(repr=False)
    mappings: Path | None
    most_bytes: int
    certificate: Path | None
    private_key: Path | None
    client_authorities: Path | None

    @classmethod
    def from_settings(cls) -> "Config":
        """Return what Django's settings say; the app registry is not needed."""
        from django.conf import settings  # noqa: PLC0415 - nothing is read before the process asks for it

        host = f"[{settings.TRANSFORMER_HOST}]" if ":" in settings.TRANSFORMER_HOST else settings.TRANSFORMER_HOST
        return cls(
            address=f"{host}:{settings.TRANSFORMER_PORT}",
            conninfo=conninfo(settings.GATEWAY_DATABASE),
            counter_url=settings.COUNTER_URL,
            mappings=settings.TRANSFORMER_MAPPINGS,
            most_bytes=settings.TRANSFORMER_MOST_MIB * 2**20,
            certificate=settings.TRANSFORMER_CERTIFICATE,
            private_key=settings.TRANSFORMER_PRIVATE_KEY,
            client_authorities=settings.TRANSFORMER_CLIENT_AUTHORITIES,
        )
