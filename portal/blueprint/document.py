"""A checked blueprint as flat tables: each section's entries by key, with the values that the file mentions."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.dateparse import parse_datetime

from accounts.services.key_rules import check_networks
from audit.sinks.registry import DESTINATIONS
from gateway.pricing import PER
from gateway.services.proxy_settings import check_detectors
from isolation.exceptions import DomainError
from tenants.permissions import BuiltinRole
from tenants.services.domains import check_domain_name

from . import schema
from .problems import BlueprintError, Path, Problem
from .reader import Source

Key: TypeAlias = str | tuple[str, ...]

VERSION = 1
_CREDENTIALS = "provider_credentials"


@dataclass(frozen=True, slots=True)
class Item:
    """An entry that the file wants.

    Attributes:
        path: where it stands.
        values: the fields that it mentions, in the form in which services store them.
    """

    path: Path
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reference:
    """Something that an entry names: a role, a project, a member or a service account."""

    noun: str
    key: str
    path: Path


@dataclass(slots=True)
class WantedOrganization:
    """One organization of the file.

    Attributes:
        slug: its identifier.
        source: the file.
        raw: its part of the document.
        tables: for each section, and each relation inside one, the entries by key.
        references: what entries name.
        prune: the sections whose unmentioned entries go.
    """

    slug: str
    source: Source
    raw: dict[str, Any]
    tables: dict[str, dict[Key, Item]] = field(default_factory=dict)
    references: list[Reference] = field(default_factory=list)
    prune: frozenset[str] = frozenset()

    @property
    def path(self) -> Path:
        """Return where it stands."""
        return ("organizations", self.slug)

    def table(self, name: str) -> dict[Key, Item]:
        """Return the entries of a section or relation."""
        return self.tables.get(name, {})

    def add(self, table: str, key: Key, item: Item) -> Item:
        """Put an entry into a table and return the one that was there under this key, or the new one."""
        return self.tables.setdefault(table, {}).setdefault(key, item)

    def writes(self, section: str, name: str, part: str) -> bool:
        """Return whether the entry `name` of a section mentions `part`, whatever case its key is written in."""
        entries: dict[str, Any] = self.raw.get(section, {})
        return any(part in entry for key, entry in entries.items() if key.strip().lower() == name.lower())


@dataclass(frozen=True, slots=True)
class Document:
    """A checked blueprint.

    Attributes:
        source: the file.
        users: logins to be made, by e-mail address; `values` hold the name and the reference to a password.
        organizations: in the order of the file.
        additions_only: what exists is left as it is.
    """

    source: Source
    users: dict[str, Item]
    organizations: list[WantedOrganization]
    additions_only: bool = False


def understand(source: Source, *, additions_only: bool = False) -> Document:
    """Return the blueprint of a source.

    Raises:
        BlueprintError: the schema refuses it, or it contradicts itself.
    """
    schema.check(source)
    reading = _Reading(source)
    users = {
        email: Item(path, {name: entry[name] for name in ("name", "password") if name in entry})
        for email, entry, path in reading.people("users", source.data, ())
    }
    organizations = [reading.organization(slug, raw) for slug, raw in (source.data.get("organizations") or {}).items()]
    if reading.problems:
        raise BlueprintError(reading.problems)
    return Document(source, users, organizations, additions_only)


class _Reading:
    """Collects everything that the schema cannot see."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.problems: list[Problem] = []

    def organization(self, slug: str, raw: dict[str, Any]) -> WantedOrganization:
        wanted = WantedOrganization(slug, self._source, raw)
        self._settings(wanted)
        self._roles(wanted)
        self._projects(wanted)
        self._members(wanted)
        self._groups(wanted)
        self._service_accounts(wanted)
        self._keys(wanted)
        self._domains(wanted)
        self._sso_connections(wanted)
        self._sso_setup_links(wanted)
        self._sign_in_policy(wanted)
        self._sinks(wanted)
        self._audit_log(wanted)
        self._llm_proxy(wanted)
        self._provider_credentials(wanted)
        self._usage_limits(wanted)
        wanted.prune = self._prune(wanted)
        return wanted

    def people(self, section: str, raw: dict[str, Any], path: Path) -> Iterator[tuple[str, Any, Path]]:
        """Yield (address in lower case, entry, path) of a map by e-mail address."""
        seen: set[str] = set()
        for written, entry in raw.get(section, {}).items():
            place = (*path, section, written)
            email = self._email(written, place)
            if email in seen:
                self._problem(place, "This address stands twice, in another case of letters.", at_key=True)
            seen.add(email)
            yield email, entry, place

    def _settings(self, wanted: WantedOrganization) -> None:
        settings: dict[str, Any] = wanted.raw.get("settings", {})
        values = _texts(settings, "project_naming_pattern", "project_naming_hint")
        values |= {name: settings[name] for name in ("default_role", "api_key_max_days") if name in settings}
        values |= _texts(wanted.raw, "name")
        if values.get("default_role"):
            self._reference(wanted, "role", values["default_role"], (*wanted.path, "settings", "default_role"))
        wanted.add("settings", wanted.slug, Item(wanted.path, values))

    def _roles(self, wanted: WantedOrganization) -> None:
        for key, entry in wanted.raw.get("roles", {}).items():
            path = (*wanted.path, "roles", key)
            if key in BuiltinRole.__members__.values():
                self._problem(path, f"{key} is built in and cannot be changed. Choose another key.", at_key=True)
            values = _texts(entry, "name", "description") | {"permissions": sorted(entry["permissions"])}
            wanted.add("roles", key, Item(path, values))

    def _projects(self, wanted: WantedOrganization) -> None:
        for slug, entry in wanted.raw.get("projects", {}).items():
            values = _texts(entry, "name", "description", "environment")
            values |= {"metadata": entry["metadata"]} if "metadata" in entry else {}
            wanted.add("projects", slug, Item((*wanted.path, "projects", slug), values))

    def _members(self, wanted: WantedOrganization) -> None:
        for email, entry, path in self.people("members", wanted.raw, wanted.path):
            values: dict[str, Any] = {name: entry[name] for name in ("role", "active") if name in entry}
            self._reference(wanted, "role", entry["role"], (*path, "role"))
            wanted.add("members", email, Item(path, values))
            self._project_roles(wanted, "member_projects", email, entry, path)

    def _groups(self, wanted: WantedOrganization) -> None:
        for name, entry, path in self._by_name("groups", wanted):
            provisioned = {"provisioned": True} if entry.get("provisioned") else {}
            wanted.add("groups", name, Item(path, _texts(entry, "description") | provisioned))
            if provisioned and "members" in entry:
                said = "The identity provider says who is in a provisioned group. Leave members out."
                self._problem((*path, "members"), said, at_key=True)
            for number, written in enumerate(entry.get("members", ())):
                place = (*path, "members", number)
                email = self._email(written, place)
                self._reference(wanted, "member", email, place)
                if wanted.add("group_members", (name, email), Item(place)).path != place:
                    self._problem(place, "This address stands twice, in another case of letters.")
            if "role" in entry:
                allowed = {"allow_owner": True} if entry.get("allow_owner") else {}
                if not allowed:
                    self._refuse_owner(entry["role"], (*path, "role"), provisioned=bool(provisioned))
                self._reference(wanted, "role", entry["role"], (*path, "role"))
                wanted.add("group_roles", (name, ""), Item((*path, "role"), {"role": entry["role"]} | allowed))
            for role, place in self._project_roles(wanted, "group_roles", name, entry, path):
                self._refuse_owner(role, place)

    def _refuse_owner(self, role: str, path: Path, *, provisioned: bool = False) -> None:
        if role == BuiltinRole.OWNER:
            hint = (
                " Write allow_owner: true beside it, if everybody whom the identity provider puts into this group may"
                " be an owner."
            )
            self._problem(path, f"Owner is given to people, not to groups.{hint if provisioned else ''}")

    def _service_accounts(self, wanted: WantedOrganization) -> None:
        for name, entry, path in self._by_name("service_accounts", wanted):
            values = _texts(entry, "description", "kind", "role")
            values |= {"active": entry["active"]} if "active" in entry else {}
            self._reference(wanted, "role", entry["role"], (*path, "role"))
            wanted.add("service_accounts", name, Item(path, values))
            self._project_roles(wanted, "service_account_projects", name, entry, path)

    def _keys(self, wanted: WantedOrganization) -> None:
        for label, entry in wanted.raw.get("keys", {}).items():
            path = (*wanted.path, "keys", label)
            values = {"name": label.strip()} | _texts(entry, "name", "kind", "environment", "note", "public_id")
            values |= {"scopes": sorted(entry["scopes"])}
            owners = {"project": "project", "service_account": "service account"}
            for kind, noun in owners.items():
                if kind == entry["kind"] and kind not in entry:
                    self._problem((*path, kind), f"Name the {noun} of this key.", at_key=True)
                elif kind != entry["kind"] and kind in entry:
                    self._problem((*path, kind), f"A key of this kind has no {noun}.", at_key=True)
                elif kind in entry:
                    values[kind] = entry[kind].strip()
                    key = values[kind].lower() if kind == "service_account" else values[kind]
                    self._reference(wanted, noun, key, (*path, kind))
            if "allowed_networks" in entry:
                values["allowed_networks"] = self._networks(entry["allowed_networks"], (*path, "allowed_networks"))
            if "expires_at" in entry:
                values["expires_at"] = self._moment(entry["expires_at"], (*path, "expires_at"))
            if "secret" in entry:
                values["secret"] = entry["secret"]
            wanted.add("keys", label, Item(path, values))

    def _domains(self, wanted: WantedOrganization) -> None:
        for written, entry, path in self._by_name("domains", wanted):
            try:
                name = check_domain_name(written)
            except DomainError as error:
                self._problem(path, error.message, at_key=True)
                continue
            wanted.add("domains", name, Item(path, dict(entry)))

    def _sso_connections(self, wanted: WantedOrganization) -> None:
        for name, entry, path in self._by_name("sso_connections", wanted):
            values = _texts(
                entry,
                *(
                    "protocol",
                    "provider",
                    "issuer",
                    "client_id",
                    "joining",
                    "scopes",
                    "metadata_url",
                    "metadata_xml",
                    "subject_attribute",
                ),
                *("email_claim", "name_claim", "external_id_claim", "groups_claim", "owner_value"),
            )
            plain = (
                *("role", "scim_connection", "enabled", "client_secret"),
                *("ends_at_provider", "signs_requests", "allows_idp_initiated"),
            )
            values |= {field: entry[field] for field in plain if field in entry}
            if "domains" in entry:
                values["domains"] = self._domain_names(entry["domains"], (*path, "domains"))
            is_saml = entry.get("protocol") == "saml"
            if is_saml and bool(entry.get("metadata_url")) == bool(entry.get("metadata_xml")):
                self._problem(path, "A SAML connection needs metadata_url or metadata_xml: one of the two.")
            for foreign in sorted(entry.keys() & (_OIDC_ONLY if is_saml else _SAML_ONLY)):
                other = "OpenID Connect" if is_saml else "SAML"
                self._problem((*path, foreign), f"This belongs to {other}.", at_key=True)
            if values.get("role"):
                self._reference(wanted, "role", values["role"], (*path, "role"))
            wanted.add("sso_connections", name, Item(path, values))
            for value, groups in entry.get("groups", {}).items():
                for number, group in enumerate(groups):
                    place = (*path, "groups", value, number)
                    self._reference(wanted, "group", group.strip().lower(), place)
                    wanted.add("sso_groups", (name, value.strip(), group.strip()), Item(place))

    def _sso_setup_links(self, wanted: WantedOrganization) -> None:
        for name, entry, path in self._by_name("sso_setup_links", wanted):
            wanted.add("sso_setup_links", " ".join(name.split()), Item(path, dict(entry)))

    def _sign_in_policy(self, wanted: WantedOrganization) -> None:
        if "sign_in_policy" not in wanted.raw:
            return
        entry, path = wanted.raw["sign_in_policy"], (*wanted.path, "sign_in_policy")
        values = {name: value for name, value in entry.items() if name != "exceptions"}
        if "allowed_networks" in values:
            values["allowed_networks"] = self._networks(values["allowed_networks"], (*path, "allowed_networks"))
        if values.get("break_glass"):
            place = (*path, "break_glass")
            values["break_glass"] = self._email(values["break_glass"], place)
            self._reference(wanted, "member", values["break_glass"], place)
        wanted.add("sign_in_policy", wanted.slug, Item(path, values))
        for email, reason, place in self.people("exceptions", entry, path):
            self._reference(wanted, "member", email, place)
            wanted.add("sign_in_exceptions", email, Item(place, {"reason": reason.strip()}))

    def _sinks(self, wanted: WantedOrganization) -> None:
        for name, entry, path in self._by_name("sinks", wanted):
            values = dict(entry)
            if "query" in values:
                values["query"] = values["query"].strip()
            options = {option.name: option for option in DESTINATIONS[entry["kind"]].options}
            for part, is_secret in (("options", False), ("secrets", True)):
                for option in entry.get(part, {}):
                    place = (*path, part, option)
                    if option not in options:
                        self._problem(place, schema.closest("setting", option, list(options)), at_key=True)
                    elif options[option].secret is not is_secret:
                        said = "This is no secret: name it under options." if is_secret else "Name it under secrets."
                        self._problem(place, said, at_key=True)
            wanted.add("sinks", name, Item(path, values))

    def _audit_log(self, wanted: WantedOrganization) -> None:
        if "audit_log" in wanted.raw:
            wanted.add("audit_log", wanted.slug, Item((*wanted.path, "audit_log"), dict(wanted.raw["audit_log"])))

    def _provider_credentials(self, wanted: WantedOrganization) -> None:
        for name, entry, path in self._by_name("provider_credentials", wanted):
            values = dict(entry)
            project = values.pop("project", "")
            if project:
                self._reference(wanted, "project", project, (*path, "project"))
            if "base_url" in values:
                values["base_url"] = values["base_url"].strip().rstrip("/")
            key = (project, values.pop("name", name).strip())
            if any((each[0], each[1].lower()) == (key[0], key[1].lower()) for each in wanted.table(_CREDENTIALS)):
                self._problem(path, "There is another entry with this name and project.", at_key=True)
            wanted.add(_CREDENTIALS, key, Item(path, values))

    def _llm_proxy(self, wanted: WantedOrganization) -> None:
        if "llm_proxy" not in wanted.raw:
            return
        values, path = dict(wanted.raw["llm_proxy"]), (*wanted.path, "llm_proxy")
        if "masked" in values:
            values["masked"] = check_detectors(values["masked"])
        wanted.add("llm_proxy", wanted.slug, Item(path, values))

    def _usage_limits(self, wanted: WantedOrganization) -> None:
        nouns = {"project": "project", "user": "member", "service account": "service account"}
        for written, entry, path in self._by_name("usage_limits", wanted):
            whose, _, what = written.rpartition(": ")
            values = {"active": entry["active"]} if "active" in entry else {}
            try:
                scale = PER if what.startswith("dollars") else 1
                amount = Decimal(str(entry["amount"])) * scale
                values["amount"] = int(amount)
            except (InvalidOperation, ValueError, OverflowError):
                amount = Decimal("NaN")
            if not amount.is_finite() or amount != amount.to_integral_value():
                said = "Write dollars as 250 or “12.50”." if what.startswith("dollars") else "Write a whole number."
                self._problem((*path, "amount"), said)
                continue
            for noun, kind in nouns.items():
                if whose.startswith(f"{noun} "):
                    name = whose.removeprefix(f"{noun} ").strip()
                    self._reference(wanted, kind, name if noun == "project" else name.lower(), path)
            wanted.add("usage_limits", f"{whose.strip()}: {what}", Item(path, values))

    def _networks(self, texts: list[str], path: Path) -> list[str]:
        try:
            return sorted(check_networks(texts))
        except DomainError as error:
            self._problem(path, error.message)
            return []

    def _domain_names(self, written: list[str], path: Path) -> list[str]:
        names = set()
        for number, name in enumerate(written):
            try:
                names.add(check_domain_name(name))
            except DomainError as error:
                self._problem((*path, number), error.message)
        return sorted(names)

    def _moment(self, text: str | None, path: Path) -> Any:
        if text is None:
            return None
        try:
            moment = parse_datetime(text)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            self._problem(path, "This is no time with a time zone. Write it as 2027-01-31T00:00:00Z.")
            return None
        return moment

    def _project_roles(
        self, wanted: WantedOrganization, table: str, holder: str, entry: dict[str, Any], path: Path
    ) -> list[tuple[str, Path]]:
        """Add an entry's roles in projects; return each role with its place."""
        found = []
        for project, role in entry.get("projects", {}).items():
            place = (*path, "projects", project)
            self._reference(wanted, "project", project, place)
            self._reference(wanted, "role", role, place)
            wanted.add(table, (holder, project), Item(place, {"role": role}))
            found.append((role, place))
        return found

    def _prune(self, wanted: WantedOrganization) -> frozenset[str]:
        prune = wanted.raw.get("prune", False)
        if prune is True:
            return frozenset(section for section in schema.SECTIONS if section in wanted.raw)
        for number, section in enumerate(prune or ()):
            if section not in wanted.raw:
                said = (
                    f"The file has no section {section} to compare with. Write {section}: {{}} to remove all of them."
                )
                self._problem((*wanted.path, "prune", number), said)
        return frozenset(prune or ())

    def _by_name(self, section: str, wanted: WantedOrganization) -> Iterator[tuple[str, dict[str, Any], Path]]:
        seen: set[str] = set()
        for written, entry in wanted.raw.get(section, {}).items():
            path = (*wanted.path, section, written)
            name = written.strip()
            if name.lower() in seen:
                self._problem(path, "This name stands twice, in another case of letters.", at_key=True)
            seen.add(name.lower())
            yield name, entry, path

    def _email(self, written: str, path: Path) -> str:
        email = written.strip().lower()
        try:
            validate_email(email)
        except ValidationError:
            self._problem(path, f"{written} is no e-mail address.", at_key=True)
        return email

    def _reference(self, wanted: WantedOrganization, noun: str, key: str, path: Path) -> None:
        wanted.references.append(Reference(noun, key, path))

    def _problem(self, path: Path, message: str, *, at_key: bool = False) -> None:
        self.problems.append(self._source.problem(path, message, at_key=at_key))


_OIDC_ONLY = {"issuer", "client_id", "client_secret", "scopes"}
_SAML_ONLY = {"metadata_url", "metadata_xml", "subject_attribute", "signs_requests", "allows_idp_initiated"}


def _texts(entry: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return the texts that an entry mentions, without outer white space, as services store them."""
    return {name: entry[name].strip() for name in names if name in entry}
