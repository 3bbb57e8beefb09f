"""What is asked of people who sign in, and who is excepted."""

from typing import Any, ClassVar

from accounts.models import SignInException, SignInPolicy
from accounts.services.sign_in_policy import (
    add_sign_in_exception,
    remove_sign_in_exception,
    update_sign_in_policy,
)
from portal.blueprint.changes import Row, Section
from portal.blueprint.document import Item, Key

PLAIN = (
    "sso_required",
    "second_factor_required",
    "sso_as_second_factor",
    "session_hours",
    "idle_minutes",
    "concurrent_sessions",
)


class Policy(Section):
    """The sign-in policy; there is exactly one entry, and it is never removed."""

    table: ClassVar[str] = "sign_in_policy"
    noun: ClassVar[str] = "sign-in policy"
    section: ClassVar[str] = ""

    def current(self) -> dict[Key, Row]:
        stored = SignInPolicy.of(self.stage.organization.pk)
        guard = stored.break_glass
        values = {
            **{name: getattr(stored, name) for name in PLAIN},
            "break_glass": guard.user.email if guard else None,
            "allowed_networks": sorted(stored.allowed_networks),
        }
        return {self.stage.organization.slug: Row(values, stored)}

    def create(self, key: Key, item: Item) -> Any:
        raise AssertionError("an organization without a policy has the one that asks nothing")

    def update(self, row: Row, values: dict[str, Any], item: Item) -> Any:
        guard = values.pop("break_glass")
        return update_sign_in_policy(
            organization=self.stage.organization,
            break_glass=self.stage.membership(guard) if guard else None,
            actor=self.stage.actor,
            **values,
        )

    def remove(self, row: Row) -> Any:
        raise AssertionError("a policy is never pruned")


class Exceptions(Section):
    """Members who go on without single sign-on, by e-mail address."""

    table: ClassVar[str] = "sign_in_exceptions"
    noun: ClassVar[str] = "exception to single sign-on"
    section: ClassVar[str] = "sign_in_policy"

    def current(self) -> dict[Key, Row]:
        rows = SignInException.objects.select_related("membership__user").order_by("membership__user__email")
        return {row.membership.user.email: Row({"reason": row.reason}, row) for row in rows}

    def create(self, key: Key, item: Item) -> Any:
        return add_sign_in_exception(
            membership=self.stage.membership(str(key)), reason=item.values["reason"], actor=self.stage.actor
        )

    def update(self, row: Row, values: dict[str, Any], item: Item) -> Any:
        remove_sign_in_exception(exception=row.stored, actor=self.stage.actor)
        return add_sign_in_exception(membership=row.stored.membership, reason=values["reason"], actor=self.stage.actor)

    def is_surplus(self, key: Key, row: Row) -> bool:
        return "exceptions" in self.stage.wanted.raw.get("sign_in_policy", {})

    def remove(self, row: Row) -> Any:
        return remove_sign_in_exception(exception=row.stored, actor=self.stage.actor)
