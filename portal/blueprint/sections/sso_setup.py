"""Links by which somebody who is no member sets up a single sign-on connection."""

from collections.abc import Iterator
from typing import Any, ClassVar

from accounts.models import SsoSetupLink
from accounts.services.sso_setup import USUAL_DAYS, create_setup_link, revoke_setup_link, was_made_by
from portal.blueprint.changes import Change, Row, Section
from portal.blueprint.document import Item, Key
from portal.blueprint.problems import BlueprintError
from portal.blueprint.references import described, reveal


class SetupLinks(Section):
    """Links by who gets them. A token makes one link, once: another one behind the reference makes the next."""

    table: ClassVar[str] = "sso_setup_links"
    noun: ClassVar[str] = "set-up link"
    section: ClassVar[str] = "sso_setup_links"

    def current(self) -> dict[Key, Row]:
        rows = SsoSetupLink.objects.order_by("created_at", "pk")
        return {link.recipient: Row({}, link) for link in rows}  # the newest of each recipient

    def present(self, key: Key, item: Item, row: Row) -> Iterator[Change]:
        """Yield a new link where the token has made none yet; a token that is not there any more has done its work."""
        try:
            token = self._token(item)
        except BlueprintError:
            return
        if not was_made_by(token):
            yield from self.absent(key, item)

    def initial(self, key: Key, item: Item) -> dict[str, Any]:
        return {"days": item.values.get("days", USUAL_DAYS), "token": described(item.values["token"])}

    def create(self, key: Key, item: Item) -> Any:
        return create_setup_link(
            organization=self.stage.organization,
            recipient=str(key),
            days=item.values.get("days", USUAL_DAYS),
            token=self._token(item),
            actor=self.stage.actor,
        )

    def update(self, row: Row, values: dict[str, Any], item: Item) -> Any:
        raise AssertionError("a link never changes")

    def removals(self) -> Iterator[Change]:
        """Yield the end of each open link whose recipient the file does not name."""
        if self.section not in self.stage.wanted.prune or self.stage.additions_only:
            return
        named = set(self.wanted())
        for link in SsoSetupLink.objects.order_by("created_at", "pk"):
            if link.is_open and link.recipient not in named:
                yield self.removal(link.recipient, Row({}, link))

    def remove(self, row: Row) -> Any:
        return revoke_setup_link(link=row.stored, actor=self.stage.actor)

    def _token(self, item: Item) -> str:
        return reveal(item.values["token"], (*item.path, "token"), self.stage.wanted.source)
