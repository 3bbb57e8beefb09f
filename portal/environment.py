"""Typed reading of environment variables; a malformed value names its variable in one line.

The parsing of database, e-mail and broker URLs is django-environ's; what is added here is strictness
(``TRUE-ish`` strings are refused, not guessed) and secrets from files (``NAME_FILE``).
"""

import ipaddress
import os
import socket
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import environ
import psutil
from django.core.exceptions import ImproperlyConfigured

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
T = TypeVar("T")

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off"})
DATABASE_SCHEMES = frozenset({"postgres", "postgresql"})
EMAIL_SCHEMES = frozenset(environ.Env.EMAIL_SCHEMES)


class ConfigurationError(ImproperlyConfigured):
    """A setting is missing or malformed; the message is one line that names the variable."""

    def __init__(self, name: str, problem: str) -> None:
        self.name = name
        super().__init__(f"{name}: {problem}")


def read_dotenv(path: Path, into: MutableMapping[str, str] = os.environ) -> None:
    """Add the variables of a ``.env`` file; what is set already wins.

    Args:
        path: the file; a missing one is not an error.
        into: where the variables go.
    """
    if path.is_file():
        found: dict[str, str] = {}

        class Reader(environ.Env):  # type: ignore[misc] # django-environ has no types
            ENVIRON = found

        Reader.read_env(str(path))
        for name, value in found.items():
            into.setdefault(name, value)


def checked(name: str, check: Callable[..., T], *values: Any, **options: Any) -> T:
    """Return what `check` makes of a variable's value.

    Raises:
        ConfigurationError: it raised ValueError, whose message ends the sentence "NAME: ...".
    """
    try:
        return check(*values, **options)
    except ValueError as error:
        raise ConfigurationError(name, str(error)) from None


def own_names(host: str) -> list[str]:
    """Return the names under which a server that listens on ``host`` is reached, as Host headers spell them.

    Args:
        host: an address, or ``0.0.0.0`` or ``::`` for all of this machine's.
    """
    names = [host]
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared only
        addresses = [address for of_one in psutil.net_if_addrs().values() for address in of_one]
        internet = [a.address.split("%")[0] for a in addresses if a.family in {socket.AF_INET, socket.AF_INET6}]
        names = [socket.gethostname(), *internet]
    return [f"[{name}]" if ":" in name else name for name in names]


def initial_variables(values: Mapping[str, str]) -> dict[str, str]:
    """Return those of the ``GATEHOUSE_INIT_*`` variables that are set, when they belong together.

    Raises:
        ConfigurationError: one is set without another that it needs.
    """
    found = {name: value for name, value in values.items() if value}
    prefix = "GATEHOUSE_INIT_"
    needs: dict[str, tuple[str, ...]] = dict.fromkeys(found, (f"{prefix}ORG_ID",))
    needs |= {name: (f"{prefix}PROJECT_ID",) for name in found if name.startswith(f"{prefix}PROJECT_")}
    needs |= {name: (f"{prefix}USER_EMAIL",) for name in found if name.startswith(f"{prefix}USER_")}
    needs[f"{prefix}PROJECT_ID"] = needs[f"{prefix}USER_EMAIL"] = (f"{prefix}ORG_ID",)
    needs[f"{prefix}ORG_ID"] = (f"{prefix}USER_EMAIL",)
    needs[f"{prefix}PROJECT_PUBLIC_KEY"] = (f"{prefix}PROJECT_ID", f"{prefix}PROJECT_SECRET_KEY")
    needs[f"{prefix}PROJECT_SECRET_KEY"] = (f"{prefix}PROJECT_ID", f"{prefix}PROJECT_PUBLIC_KEY")
    for name in found:
        for needed in needs[name]:
            if needed not in found:
                raise ConfigurationError(needed, f"is not set; {name} needs it")
    return found


class Environment:
    """Typed access to a mapping of variables.

    Args:
        source: the variables, usually ``os.environ``.
    """

    def __init__(self, source: Mapping[str, str]) -> None:
        self._source = source

    def raw(self, name: str) -> str | None:
        """Return the variable or the content of the file that ``NAME_FILE`` names.

        Returns:
            The value without surrounding blanks, None when unset or empty.

        Raises:
            ConfigurationError: both are set, or the file cannot be read.
        """
        value = self._source.get(name, "").strip()
        file = self._source.get(f"{name}_FILE", "").strip()
        if value and file:
            raise ConfigurationError(name, f"set either {name} or {name}_FILE, not both")
        if file:
            try:
                value = Path(file).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
                raise ConfigurationError(f"{name}_FILE", f"cannot read {file}: {reason}") from error
            if not value:
                raise ConfigurationError(f"{name}_FILE", f"the file {file} is empty")
        return value or None

    def text(self, name: str, default: str = "") -> str:
        """Return a string."""
        return self.raw(name) or default

    def file(self, name: str) -> Path | None:
        """Return the path of a file that can be read, None when it is not set.

        Raises:
            ConfigurationError: there is no such file.
        """
        value = self.raw(name)
        if value is None:
            return None
        path = Path(value).absolute()
        try:
            path.open("rb").close()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "no such file"
            raise ConfigurationError(name, f"cannot read {path}: {reason}") from error
        return path

    def required(self, name: str, why: str) -> str:
        """Return a string that must be there.

        Args:
            name: the variable.
            why: ends the sentence "is not set; ...".

        Raises:
            ConfigurationError: it is not set.
        """
        value = self.raw(name)
        if value is None:
            raise ConfigurationError(name, f"is not set; {why}")
        return value

    def boolean(self, name: str, *, default: bool) -> bool:
        """Return a boolean: 1/0, true/false, yes/no, on/off in any case; nothing else.

        Raises:
            ConfigurationError: any other value.
        """
        value = self.raw(name)
        if value is None:
            return default
        if value.lower() in TRUE:
            return True
        if value.lower() in FALSE:
            return False
        raise ConfigurationError(name, f"{value!r} is not a boolean; use true or false")

    def integer(self, name: str, *, default: int, minimum: int | None = None, maximum: int | None = None) -> int:
        """Return a whole number within the bounds, both included.

        Raises:
            ConfigurationError: not a whole number, or out of bounds.
        """
        value = self.raw(name)
        if value is None:
            return default
        try:
            number = int(value)
        except ValueError as error:
            raise ConfigurationError(name, f"{value!r} is not a whole number") from error
        if (minimum is not None and number < minimum) or (maximum is not None and number > maximum):
            span = f"from {minimum} " if maximum is None else f"from {minimum} to {maximum}"
            raise ConfigurationError(name, f"{number} is out of range; use a number {span}".rstrip())
        return number

    def choice(self, name: str, choices: Iterable[str], *, default: str) -> str:
        """Return one of the choices.

        Raises:
            ConfigurationError: another value.
        """
        allowed = tuple(choices)
        value = self.text(name, default)
        if value not in allowed:
            raise ConfigurationError(name, f"{value!r} is not one of {', '.join(allowed)}")
        return value

    def strings(self, name: str, default: Iterable[str] = ()) -> list[str]:
        """Return the comma-separated items without blanks and empty ones."""
        value = self.raw(name)
        if value is None:
            return list(default)
        return [item.strip() for item in value.split(",") if item.strip()]

    def networks(self, name: str) -> list[Network]:
        """Return comma-separated addresses or CIDR ranges.

        Raises:
            ConfigurationError: one of them is neither.
        """
        return [self._network(name, item) for item in self.strings(name)]

    @staticmethod
    def _network(name: str, item: str) -> Network:
        try:
            return ipaddress.ip_network(item)
        except ValueError as error:
            problem = f"{item!r} is not an IP address or CIDR range ({error})"
            raise ConfigurationError(name, problem) from error

    def origins(self, name: str) -> list[str]:
        """Return comma-separated origins such as ``https://portal.example.com``.

        Raises:
            ConfigurationError: one has no scheme or host, or carries a path.
        """
        origins = self.strings(name)
        for origin in origins:
            parts = urlsplit(origin)
            if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path.strip("/"):
                problem = f"{origin!r} is not an origin; use https://host[:port]"
                raise ConfigurationError(name, problem)
        return [origin.rstrip("/") for origin in origins]

    def url(self, name: str, schemes: Iterable[str], default: str = "") -> str:
        """Return a URL of one of the schemes.

        Raises:
            ConfigurationError: another scheme.
        """
        value = self.text(name, default)
        allowed = sorted(schemes)
        if value and urlsplit(value).scheme not in allowed:
            raise ConfigurationError(name, f"the URL must start with {', '.join(f'{s}://' for s in allowed)}")
        return value

    def database(self, name: str) -> dict[str, Any] | None:
        """Return Django's settings for a PostgreSQL URL, None when it is not set.

        Raises:
            ConfigurationError: not a PostgreSQL URL, or without a database name.
        """
        url = self.url(name, DATABASE_SCHEMES)
        if not url:
            return None
        config: dict[str, Any] = self._parse(name, url, environ.Env.db_url_config)
        if not config.get("NAME"):
            raise ConfigurationError(name, "the URL names no database; use postgresql://user:password@host:5432/name")
        return config

    def email(self, name: str) -> dict[str, Any] | None:
        """Return Django's ``EMAIL_*`` settings for an e-mail URL, None when it is not set.

        Raises:
            ConfigurationError: an unknown scheme or a malformed port.
        """
        url = self.url(name, EMAIL_SCHEMES)
        if not url:
            return None
        config: dict[str, Any] = self._parse(name, url, environ.Env.email_url_config)
        return config

    @staticmethod
    def _parse(name: str, url: str, parse: Callable[[str], T]) -> T:
        try:
            return parse(url)
        except (ValueError, KeyError, ImproperlyConfigured):
            # The parser's own words are not repeated: they may quote a part of the password.
            problem = "the URL is malformed: check host and port; special characters of a password are written as %XX"
            raise ConfigurationError(name, problem) from None
