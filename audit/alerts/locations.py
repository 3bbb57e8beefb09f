"""Where an address is, by databases on this machine in MaxMind's format; without them only its network is known."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings

logger = logging.getLogger("gatehouse.audit")

_PACKAGE = "maxminddb"


@dataclass(frozen=True, slots=True)
class Location:
    """What is known of an address.

    Attributes:
        country: its code, "" when it is not known.
        name: city and country, for people.
        position: latitude and longitude in degrees, None when they are not known.
        provider: the autonomous system, such as "AS3320 Deutsche Telekom"; "" when it is not known.
    """

    country: str = ""
    name: str = ""
    position: tuple[float, float] | None = None
    provider: str = ""


NOWHERE = Location()


class Locator(Protocol):
    """Finds addresses."""

    def find(self, ip: str) -> Location:
        """Return what is known of an address."""


class Databases:
    """Finds addresses in the databases that are configured.

    Args:
        places: a City or Country database, None without one.
        providers: an ASN database, None without one.
    """

    def __init__(self, places: Path | None, providers: Path | None) -> None:
        self._places, self._providers = _opened(places), _opened(providers)

    def find(self, ip: str) -> Location:
        """Return what is known of an address."""
        place, provider = _record(self._places, ip), _record(self._providers, ip)
        country = place.get("country") or place.get("registered_country") or {}
        spot = place.get("location") or {}
        names = [(place.get("city") or {}).get("names", {}).get("en"), country.get("names", {}).get("en")]
        number = provider.get("autonomous_system_number")
        return Location(
            country=str(country.get("iso_code") or ""),
            name=", ".join(filter(None, names)),
            position=(spot["latitude"], spot["longitude"]) if {"latitude", "longitude"} <= spot.keys() else None,
            provider=f"AS{number} {provider.get('autonomous_system_organization', '')}".strip() if number else "",
        )


def locator() -> Locator:
    """Return what finds addresses now; a database that was replaced is opened again."""
    return _databases(_version(settings.GEOIP_DATABASE), _version(settings.GEOIP_ASN_DATABASE))


def missing_places() -> str:
    """Return what has to be done before countries are known; "" when nothing."""
    if settings.GEOIP_DATABASE is None:
        return "It needs a database of places on this machine. The operator of this installation sets GEOIP_DATABASE."
    return _missing_package()


def _missing_package() -> str:
    try:
        import_module(_PACKAGE)
    except ImportError:
        return f"The operator of this installation has to install {_PACKAGE}, which reads GEOIP_DATABASE."
    return ""


@lru_cache(maxsize=1)
def _databases(places: tuple[Path, float] | None, providers: tuple[Path, float] | None) -> Databases:
    return Databases(places and places[0], providers and providers[0])


def _version(path: Path | None) -> tuple[Path, float] | None:
    try:
        return (path, path.stat().st_mtime) if path is not None else None
    except OSError:
        return None


def _opened(path: Path | None) -> Callable[[str], Any] | None:
    if path is None:
        return None
    try:
        reader = import_module(_PACKAGE).open_database(str(path))
    except Exception as error:  # noqa: BLE001 - absent, truncated, of another format: alerts go on without it
        logger.warning("%s cannot be read: %s", path.name, error)
        return None
    found: Callable[[str], Any] = reader.get
    return found


def _record(get: Callable[[str], Any] | None, ip: str) -> dict[str, Any]:
    if get is None or not ip:
        return {}
    try:
        record = get(ip)
    except ValueError:
        return {}  # such as an IPv6 address in a database of IPv4
    return record if isinstance(record, dict) else {}
