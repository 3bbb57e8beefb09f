"""Which certificate authorities are trusted (no models)."""

import ssl
from functools import cache
from pathlib import Path

import certifi


def check_authorities(file: Path) -> None:
    """Check a file with certificates of authorities.

    Args:
        file: certificates in PEM, one after another.

    Raises:
        ValueError: it holds none; the message ends the sentence "OUTBOUND_CA_FILE: ...".
    """
    try:
        ssl.create_default_context(cafile=file)
    except OSError:
        raise ValueError(f"{file} holds no certificates in PEM form") from None


@cache
def tls_context(file: Path | None) -> ssl.SSLContext:
    """Return how TLS is spoken: TLS 1.2 or newer, certificate and host name verified.

    Args:
        file: authorities to trust besides the system's and certifi's; None for no others.
    """
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())  # a slim container has none of its own
    if file is not None:
        context.load_verify_locations(file)
    return context
