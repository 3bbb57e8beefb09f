"""SIEM sinks."""

import hmac
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from audit.models import Sink
from audit.services.sinks import create_sink, delete_sink, set_sink_active, update_sink
from isolation.exceptions import DomainError
from portal.blueprint.changes import Change, Row, Section, Verb
from portal.blueprint.document import Item, Key
from portal.blueprint.problems import BlueprintError
from portal.blueprint.references import described, reveal

PLAIN = (
    *("format", "query", "sent_fields", "has_proofs", "sends_checkpoints"),
    *("batch_events", "batch_bytes", "batch_seconds"),
)
_KEPT = "stored"


class Sinks(Section):
    """Sinks by name, in any case of letters; options that an entry leaves out stay."""

    table: ClassVar[str] = "sinks"
    noun: ClassVar[str] = "sink"
    section: ClassVar[str] = "sinks"

    def current(self) -> dict[Key, Row]:
        return {
            sink.name: Row(
                {
                    "kind": sink.kind,
                    "options": sink.options,
                    **{name: getattr(sink, name) for name in PLAIN},
                    "active": sink.is_active,
                },
                sink,
            )
            for sink in Sink.objects.order_by("name")
        }

    def match(self, key: Key) -> Key:
        return str(key).lower()

    def initial(self, key: Key, item: Item) -> dict[str, Any]:
        values = dict(item.values)
        if "secrets" in values:
            values["secrets"] = {name: described(reference) for name, reference in values["secrets"].items()}
        return values

    def present(self, key: Key, item: Item, row: Row) -> Iterator[Change]:
        """Yield how the sink must change; another secret behind a reference replaces the stored one."""
        values = dict(item.values)
        if "options" in values:
            merged = {**row.values["options"], **values["options"]}
            values["options"] = {name: value for name, value in merged.items() if value != ""}
        yield from super().present(key, replace(item, values=values), row)
        for name, reference in item.values.get("secrets", {}).items():
            if not self._is_stored(name, item, row.stored):
                fields = {f"secrets.{name}": (_KEPT, described(reference))}
                run = partial(self._replace_secret, row.stored, name, item)
                yield Change(Verb.UPDATE, self.noun, self.label(key), fields, item.path, run)

    def create(self, key: Key, item: Item) -> Any:
        stage, values = self.stage, item.values
        made = create_sink(
            organization_id=stage.organization.pk,
            kind=values["kind"],
            name=str(key),
            options={**values.get("options", {}), **self._secrets(item)},
            actor=stage.actor,
            from_beginning=values.get("from_beginning", False),
            **{name: values[name] for name in PLAIN if name in values},
        )
        if made.secret:
            stage.warn(item.path, "A signing secret is made that nobody sees. Name one here, or change it on its page.")
        return set_sink_active(sink=made.sink, is_active=values.get("active", True), actor=stage.actor)

    def update(self, row: Row, values: dict[str, Any], item: Item) -> Any:
        if values["kind"] != row.stored.kind:
            raise DomainError("The kind of a sink never changes. Make another sink.", field="kind", code="invalid")
        sink = update_sink(
            sink=row.stored,
            actor=self.stage.actor,
            options={**item.values.get("options", {}), **self._secrets(item)},
            **{name: values[name] for name in PLAIN},
        )
        return set_sink_active(sink=sink, is_active=values["active"], actor=self.stage.actor)

    def remove(self, row: Row) -> Any:
        return delete_sink(sink=row.stored, actor=self.stage.actor)

    def _replace_secret(self, sink: Sink, name: str, item: Item) -> Any:
        return update_sink(sink=sink, actor=self.stage.actor, options={name: self._secret(name, item)})

    def _is_stored(self, name: str, item: Item, sink: Sink) -> bool:
        """Return whether the stored secret is the one behind the reference; when nothing is there, it stays."""
        try:
            wanted = self._secret(name, item)
        except BlueprintError:
            return True
        return hmac.compare_digest(sink.revealed().get(name, "").encode(), wanted.encode())

    def _secrets(self, item: Item) -> dict[str, str]:
        return {name: self._secret(name, item) for name in item.values.get("secrets", {})}

    def _secret(self, name: str, item: Item) -> str:
        return reveal(item.values["secrets"][name], (*item.path, "secrets", name), self.stage.wanted.source)
