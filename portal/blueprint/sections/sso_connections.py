"""Single sign-on connections."""

import hmac
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from accounts.models import Joining, ScimConnection, SsoConnection, SsoGroupMapping, SsoProtocol, SsoProvider
from accounts.services.sso_connections import (
    create_saml_connection,
    create_sso_connection,
    delete_sso_connection,
    set_sso_enabled,
    update_sso_connection,
)
from accounts.services.sso_groups import add_group_mapping, remove_group_mapping
from accounts.services.sso_owners import allow_owners, end_owners
from accounts.sso.exceptions import SignInRefused
from accounts.sso.saml.idp_metadata import IdpMetadata, parse
from isolation.exceptions import DomainError
from outbound.exceptions import OutboundError
from portal.blueprint.changes import Change, Row, Section, Verb
from portal.blueprint.document import Item, Key
from portal.blueprint.problems import BlueprintError
from portal.blueprint.references import described, reveal

_KEPT = "stored"
_COMMON = (
    "provider",
    "joining",
    "email_claim",
    "name_claim",
    "external_id_claim",
    "groups_claim",
    "domains",
    "ends_at_provider",
)
_PLAIN = {
    SsoProtocol.OIDC.value: ("issuer", "client_id", "scopes", *_COMMON),
    SsoProtocol.SAML.value: (
        "metadata_url",
        "subject_attribute",
        "signs_requests",
        "allows_idp_initiated",
        *_COMMON,
    ),
}


class Metadata(str):
    """A SAML provider's metadata; a plan shows whose they are."""

    __slots__ = ("what",)
    what: str

    @classmethod
    def of(cls, found: IdpMetadata) -> "Metadata":
        """Return metadata in the one spelling that can be compared."""
        text = cls(found.written())
        prints = ", ".join(certificate.fingerprint[:12] for certificate in found.certificates)
        text.what = f"of {found.entity_id} with the certificates {prints}"
        return text

    def __str__(self) -> str:
        return self.what

    @property
    def text(self) -> str:
        """Return them in full."""
        return "".join(self)


class SsoConnections(Section):
    """Connections by name, in any case of letters. A plan asks the provider as well, because creating one does."""

    table: ClassVar[str] = "sso_connections"
    noun: ClassVar[str] = "single sign-on connection"
    section: ClassVar[str] = "sso_connections"

    def current(self) -> dict[Key, Row]:
        return {
            connection.name: Row(
                {
                    "protocol": connection.protocol,
                    **{name: getattr(connection, name) for name in _PLAIN[connection.protocol]},
                    **({"metadata_xml": _stored_metadata(connection)} if connection.is_saml else {}),
                    "role": connection.role.key if connection.role else None,
                    "scim_connection": connection.scim_connection.name if connection.scim_connection else None,
                    "owner_value": connection.owner_value,
                    "enabled": connection.is_enabled,
                },
                connection,
            )
            for connection in SsoConnection.objects.select_related("role", "scim_connection").order_by("name")
        }

    def match(self, key: Key) -> Key:
        return str(key).lower()

    def wanted(self) -> dict[Key, Item]:
        return {key: _with_metadata(item) for key, item in super().wanted().items()}

    def initial(self, key: Key, item: Item) -> dict[str, Any]:
        values = {
            "protocol": SsoProtocol.OIDC.value,
            "provider": SsoProvider.OTHER.value,
            "joining": Joining.KNOWN.value,
            **item.values,
        }
        if "client_secret" in values:
            values["client_secret"] = described(values["client_secret"])
        return values

    def present(self, key: Key, item: Item, row: Row) -> Iterator[Change]:
        """Yield how the connection must change; another secret behind the reference replaces the stored one."""
        changes = list(super().present(key, item, row))
        yield from changes
        reference = item.values.get("client_secret")
        if reference and not self._is_stored(item, row.stored):
            fields = {"client_secret": (_KEPT, described(reference))}
            run = partial(self._replace_secret, row.stored, item)
            yield Change(Verb.UPDATE, self.noun, self.label(key), fields, item.path, run)

    def create(self, key: Key, item: Item) -> Any:
        stage, values = self.stage, item.values
        protocol = values.get("protocol", SsoProtocol.OIDC.value)
        shared: dict[str, Any] = {
            "organization": stage.organization,
            "name": str(key),
            "role": stage.role(values["role"]) if values.get("role") else None,
            "scim_connection": _scim_connection(values.get("scim_connection")),
            "actor": stage.actor,
            **{name: values[name] for name in _PLAIN[protocol] if name in values},
        }
        if protocol == SsoProtocol.SAML:
            connection = create_saml_connection(metadata_xml=values.get("metadata_xml", ""), **shared)
        else:
            connection = create_sso_connection(client_secret=self._secret(item), **shared)
        self._set_owners(connection, item)
        return set_sso_enabled(connection=connection, enabled=values.get("enabled", False), actor=stage.actor)

    def update(self, row: Row, values: dict[str, Any], item: Item) -> Any:
        stage = self.stage
        if values["protocol"] != row.stored.protocol:
            raise DomainError(
                "The protocol of a connection never changes. Make another connection.", field="protocol", code="invalid"
            )
        xml = item.values.get("metadata_xml", "")
        connection = update_sso_connection(
            connection=row.stored,
            metadata_xml=xml if xml != row.values.get("metadata_xml", "") else "",
            role=stage.role(values["role"]) if values["role"] else None,
            scim_connection=_scim_connection(values["scim_connection"]),
            actor=stage.actor,
            **{name: values[name] for name in _PLAIN[row.stored.protocol]},
        )
        self._set_owners(connection, item)
        return set_sso_enabled(connection=connection, enabled=values["enabled"], actor=stage.actor)

    def remove(self, row: Row) -> Any:
        return delete_sso_connection(connection=row.stored, actor=self.stage.actor)

    def _set_owners(self, connection: SsoConnection, item: Item) -> None:
        """Let the provider make owners, or none, where the file says so; silence never allows again what has ended."""
        value = item.values.get("owner_value")
        if value:
            allow_owners(connection=connection, value=value, actor=self.stage.actor)
        elif value == "":
            end_owners(connection=connection, actor=self.stage.actor)

    def _replace_secret(self, connection: SsoConnection, item: Item) -> Any:
        return update_sso_connection(connection=connection, client_secret=self._secret(item), actor=self.stage.actor)

    def _is_stored(self, item: Item, connection: SsoConnection) -> bool:
        """Return whether the stored secret is the one behind the reference; when nothing is there, it stays."""
        try:
            wanted = self._secret(item)
        except BlueprintError:
            return True
        stored = connection.client_secret
        return stored is not None and hmac.compare_digest(stored.reveal().encode(), wanted.encode())

    def _secret(self, item: Item) -> str:
        reference = item.values.get("client_secret")
        return reveal(reference, (*item.path, "client_secret"), self.stage.wanted.source) if reference else ""


def _stored_metadata(connection: SsoConnection) -> str:
    """Return what was given as XML, "" where it stands at an address."""
    if connection.metadata_url:
        return ""
    return Metadata.of(IdpMetadata.of(connection.issuer, connection.metadata, connection.keys))


def _with_metadata(item: Item) -> Item:
    """Return an entry with its metadata in the spelling of what is stored; the service refuses what cannot be read."""
    try:
        given = item.values.get("metadata_xml", "")
        return (
            replace(item, values={**item.values, "metadata_xml": Metadata.of(parse(given.encode()))}) if given else item
        )
    except (SignInRefused, OutboundError):
        return item


def _scim_connection(name: str | None) -> ScimConnection | None:
    """Return a SCIM connection by its name, in any case of letters.

    Raises:
        DomainError: there is none; they are made in the console or by the API.
    """
    if name is None:
        return None
    found: ScimConnection | None = ScimConnection.objects.filter(name__iexact=name).first()
    if found is None:
        raise DomainError(
            f"There is no SCIM connection {name}. Make it on the page Provisioning first.",
            field="scim_connection",
            code="unknown",
        )
    return found


class FollowingGroups(Section):
    """Groups that follow a connection's groups claim: (connection, value of the claim, group)."""

    table: ClassVar[str] = "sso_groups"
    noun: ClassVar[str] = "group that follows"
    section: ClassVar[str] = "sso_connections"

    def current(self) -> dict[Key, Row]:
        mappings = SsoGroupMapping.objects.select_related("connection", "group")
        return {
            (mapping.connection.name, mapping.value, mapping.group.name): Row({}, mapping)
            for mapping in mappings.order_by("connection__name", "value", "group__name")
        }

    def match(self, key: Key) -> Key:
        return key[0].lower(), key[1], key[2].lower()

    def label(self, key: Key) -> str:
        return f"{key[2]} for {key[1]} of {key[0]}"

    def create(self, key: Key, item: Item) -> Any:
        connection = SsoConnection.objects.get(name__iexact=key[0])
        group = self.stage.group(key[2])
        return add_group_mapping(connection=connection, value=key[1], group=group, actor=self.stage.actor)

    def update(self, row: Row, values: dict[str, Any], item: Item) -> Any:
        raise AssertionError("a group that follows has no fields")

    def is_surplus(self, key: Key, row: Row) -> bool:
        return self.stage.wanted.writes("sso_connections", key[0], "groups")

    def remove(self, row: Row) -> Any:
        return remove_group_mapping(mapping=row.stored, actor=self.stage.actor)
