"""Provider credentials."""

import hmac
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from django.db.models import F

from gateway.credential_options import addresses_in, checked_options
from gateway.models import CredentialKind, ProviderCredential
from gateway.services.provider_credentials import (
    create_provider_credential,
    delete_provider_credential,
    set_provider_credential_enabled,
    update_provider_credential,
)
from isolation.exceptions import DomainError
from portal.blueprint.changes import Change, Row, Section, Verb
from portal.blueprint.document import Item, Key
from portal.blueprint.problems import BlueprintError
from portal.blueprint.references import described, reveal

PLAIN = ("base_url", "options", "allowed_models", "priority")
FIXED = ("provider", "kind")
_KEPT = "stored"


class ProviderCredentials(Section):
    """Credentials by project ("": the organization's) and name, in any case of letters.

    Options that an entry leaves out stay.
    """

    table: ClassVar[str] = "provider_credentials"
    noun: ClassVar[str] = "provider credential"
    section: ClassVar[str] = "provider_credentials"

    def current(self) -> dict[Key, Row]:
        of_organization_first = F("project__slug").asc(nulls_first=True)
        rows = ProviderCredential.objects.select_related("project").order_by(of_organization_first, "name")
        return {
            (credential.project.slug if credential.project else "", credential.name): Row(
                {
                    **{name: getattr(credential, name) for name in (*FIXED, *PLAIN)},
                    "enabled": credential.is_enabled,
                },
                credential,
            )
            for credential in rows
        }

    def match(self, key: Key) -> Key:
        return key[0], key[1].lower()

    def label(self, key: Key) -> str:
        return f"{key[1]} of {key[0]}" if key[0] else key[1]

    def initial(self, key: Key, item: Item) -> dict[str, Any]:
        values = {"kind": CredentialKind.API_KEY.value, **item.values}
        if "secret" in values:
            values["secret"] = described(values["secret"])
        return values

    def present(self, key: Key, item: Item, row: Row) -> Iterator[Change]:
        """Yield how the credential must change; another secret behind the reference replaces the stored one."""
        values = dict(item.values)
        if "options" in values:
            values["options"] = _as_stored(row, values["options"])
        changes = list(super().present(key, replace(item, values=values), row))
        yield from changes
        if "secret" in item.values and not self._is_stored(item, row.stored):
            fields = {"secret": (_KEPT, described(item.values["secret"]))}
            run = partial(self._replace_secret, row.stored, item)
            yield Change(Verb.UPDATE, self.noun, self.label(key), fields, item.path, run)

    def create(self, key: Key, item: Item) -> Any:
        stage, values = self.stage, item.values
        return create_provider_credential(
            organization=stage.organization,
            project=stage.project(key[0]) if key[0] else None,
            name=key[1],
            provider=values["provider"],
            kind=values.get("kind", CredentialKind.API_KEY),
            secret=self._secret(item) if "secret" in values else "",
            is_enabled=values.get("enabled", True),
            actor=stage.actor,
            **{name: values[name] for name in PLAIN if name in values},
        )

    def update(self, row: Row, values: dict[str, Any], item: Item) -> Any:
        stored, actor = row.stored, self.stage.actor
        for name in FIXED:
            if values[name] != row.values[name]:
                said = f"The {name} of a credential never changes. Make another credential, with another name."
                raise DomainError(said, field=name, code="invalid")
        leads_to = (values["base_url"], addresses_in(values["options"], stored.provider, stored.kind))
        moved = leads_to != (stored.base_url, addresses_in(stored.options, stored.provider, stored.kind))
        changed = update_provider_credential(
            credential=stored,
            actor=actor,
            secret=self._secret(item) if moved and "secret" in item.values else None,
            **{name: values[name] for name in PLAIN},
        )
        return set_provider_credential_enabled(credential=changed, enabled=values["enabled"], actor=actor)

    def remove(self, row: Row) -> Any:
        return delete_provider_credential(credential=row.stored, actor=self.stage.actor)

    def _replace_secret(self, credential: ProviderCredential, item: Item) -> Any:
        return update_provider_credential(credential=credential, secret=self._secret(item), actor=self.stage.actor)

    def _is_stored(self, item: Item, credential: ProviderCredential) -> bool:
        """Return whether the stored secret is the one behind the reference; when nothing is there, it stays."""
        try:
            wanted = self._secret(item)
        except BlueprintError:
            return True
        return hmac.compare_digest(credential.secret.reveal().encode(), wanted.encode())

    def _secret(self, item: Item) -> str:
        return reveal(item.values["secret"], (*item.path, "secret"), self.stage.wanted.source)


def _as_stored(row: Row, given: dict[str, Any]) -> dict[str, Any]:
    """Return options in the spelling of what is stored; those that the file leaves out stay."""
    merged = {**row.values["options"], **given}
    try:
        return checked_options(row.values["provider"], row.values["kind"], merged)
    except DomainError:
        return merged  # the service says why
