"""API keys of projects, of the organization and of service accounts; people make their own."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, ClassVar

from django.utils import timezone

from accounts.key_digests import possible_digests
from accounts.key_format import KeyKind
from accounts.models import ApiKey, ApiKeySecret
from accounts.services.api_keys import create_api_key, revoke_api_key, update_api_key
from portal.blueprint.changes import Change, Row, Section, Stage
from portal.blueprint.document import Item, Key
from portal.blueprint.problems import BlueprintError
from portal.blueprint.references import described, reveal

FIXED = ("kind", "project", "service_account", "environment")
"""What a key is for; it never changes."""


class Keys(Section):
    """Keys by name, or by public id where two have the same name.

    A secret is read when the key is made, and never again: a key that was rotated keeps its new secret, and one that
    was revoked stays revoked, whatever the file still refers to. That may be the very secret that leaked.
    """

    table: ClassVar[str] = "keys"
    noun: ClassVar[str] = "key"
    section: ClassVar[str] = "keys"

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._rows = self.current()
        self._found: dict[Key, Key] = {}

    def current(self) -> dict[Key, Row]:
        keys = ApiKey.objects.select_related("project", "service_account").exclude(kind=KeyKind.PERSONAL)
        return {
            key.public_id: Row(
                {
                    "name": key.name,
                    "kind": key.kind,
                    "project": key.project.slug if key.project else None,
                    "service_account": key.service_account.name if key.service_account else None,
                    "environment": key.environment,
                    "scopes": sorted(name.value for name in key.permissions),
                    "expires_at": key.expires_at,
                    "allowed_networks": sorted(key.allowed_networks),
                    "note": key.note,
                },
                key,
            )
            for key in keys.filter(revoked_at=None).order_by("name", "public_id")
        }

    def label(self, key: Key) -> str:
        return self._rows[key].stored.name if key in self._rows else str(key)

    def match(self, key: Key) -> Key:
        return self._found.get(key, key)

    def additions(self) -> Iterator[Change]:
        self._found = self._find()
        yield from super().additions()

    def present(self, key: Key, item: Item, row: Row) -> Iterator[Change]:
        for name in FIXED:
            old, new = row.values[name], item.values.get(name, row.values[name])
            same = str(old).lower() == str(new).lower() if name == "service_account" else old == new
            if not same:
                said = f"The {name.replace('_', ' ')} of a key never changes. Make another key, with another name."
                raise BlueprintError([self.stage.problem((*item.path, name), said)])
        self._compare_secret(item, row)
        values = {name: value for name, value in item.values.items() if name not in FIXED}
        ends = values.get("expires_at")
        if ends and ends <= timezone.now() and ends != row.values["expires_at"]:
            self.stage.warn((*item.path, "expires_at"), "This moment is past: the key keeps the later one that it has.")
            del values["expires_at"]
        yield from super().present(key, Item(item.path, values), row)

    def absent(self, key: Key, item: Item) -> Iterator[Change]:
        if revoked := self._revoked(item):
            self.stage.warn(item.path, f"The key {revoked} was revoked and stays so. A new secret makes a new key.")
        elif "secret" not in item.values:
            said = "This key does not exist yet. Say where its secret is: secret: {env: NAME} or {file: PATH}."
            raise BlueprintError([self.stage.problem(item.path, said)])
        else:
            yield from super().absent(key, item)

    def initial(self, key: Key, item: Item) -> dict[str, Any]:
        return {**item.values, "secret": described(item.values["secret"])}

    def create(self, key: Key, item: Item) -> Any:
        stage, values = self.stage, item.values
        account = values.get("service_account")
        return create_api_key(
            organization=stage.organization,
            kind=values["kind"],
            name=values["name"],
            scopes=values["scopes"],
            project=stage.project(values["project"]) if "project" in values else None,
            service_account=stage.service_account(account) if account else None,
            environment=values.get("environment"),
            expires_at=values.get("expires_at"),
            allowed_networks=values.get("allowed_networks", ()),
            note=values.get("note", ""),
            secret=self._secret(item),
            public_id=values.get("public_id"),
            actor=stage.actor,
        )

    def update(self, row: Row, values: dict[str, Any], item: Item) -> Any:
        changeable = {name: value for name, value in values.items() if name not in FIXED}
        return update_api_key(key=row.stored, actor=self.stage.actor, **changeable)

    def remove(self, row: Row) -> Any:
        return revoke_api_key(key=row.stored, actor=self.stage.actor, reason="Not in the blueprint")

    def _find(self) -> dict[Key, Key]:
        """Return, for each entry of the file that exists, the public id of its key.

        Raises:
            BlueprintError: an entry could mean several keys, or two entries mean the same.
        """
        named: dict[str, list[Key]] = defaultdict(list)
        for public_id, row in self._rows.items():
            named[row.values["name"]].append(public_id)
        found: dict[Key, Key] = {}
        for key, item in self.wanted().items():
            candidates = named[item.values["name"]]
            if given := item.values.get("public_id"):
                candidates = [given] if given in self._rows else []
            if len(candidates) > 1:
                said = f"{len(candidates)} keys are called {item.values['name']}. Say which by its public_id."
                raise BlueprintError([self.stage.problem(item.path, said)])
            if candidates and candidates[0] in found.values():
                raise BlueprintError([self.stage.problem(item.path, "Another entry means the same key.")])
            if candidates:
                found[key] = candidates[0]
        return found

    def _revoked(self, item: Item) -> ApiKey | None:
        """Return the revoked key that an entry once made, if any."""
        revoked = ApiKey.objects.filter(revoked_at__isnull=False).exclude(kind=KeyKind.PERSONAL)
        if public_id := item.values.get("public_id"):
            found: ApiKey | None = revoked.filter(public_id=public_id).first()
        elif "secret" in item.values:
            found = revoked.filter(secrets__digest__in=possible_digests(self._secret(item))).first()
        else:
            found = revoked.filter(name=item.values["name"]).order_by("-revoked_at").first()
        return found

    def _compare_secret(self, item: Item, row: Row) -> None:
        """Warn when a reference leads to another secret than the key's; there may be nothing behind it any more."""
        if "secret" not in item.values:
            return
        try:
            digests = possible_digests(self._secret(item))
        except BlueprintError:
            return
        if not ApiKeySecret.objects.filter(api_key=row.stored, digest__in=digests).exists():
            said = "This is not the key's secret: it was rotated, or the reference changed. The key is left as it is."
            self.stage.warn((*item.path, "secret"), said)

    def _secret(self, item: Item) -> str:
        return reveal(item.values["secret"], (*item.path, "secret"), self.stage.wanted.source)
