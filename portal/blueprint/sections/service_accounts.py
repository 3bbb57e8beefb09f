"""Service accounts and their roles in projects."""

from typing import Any, ClassVar

from accounts.models import ServiceAccount, ServiceAccountProjectRole
from accounts.models.service_account import ServiceAccountKind
from accounts.services.service_accounts import (
    create_service_account,
    delete_service_account,
    remove_service_account_project_role,
    set_service_account_project_role,
    update_service_account,
)
from portal.blueprint.changes import Row, Section
from portal.blueprint.document import Item, Key


class ServiceAccounts(Section):
    """Service accounts by name, in any case of letters. Pruning one revokes its keys."""

    table: ClassVar[str] = "service_accounts"
    noun: ClassVar[str] = "service account"
    section: ClassVar[str] = "service_accounts"

    def current(self) -> dict[Key, Row]:
        return {
            account.name: Row(
                {
                    "description": account.description,
                    "kind": account.kind,
                    "role": account.role.key,
                    "active": account.is_active,
                },
                account,
            )
            for account in ServiceAccount.objects.select_related("role").order_by("name")
        }

    def match(self, key: Key) -> Key:
        return str(key).lower()

    def initial(self, key: Key, item: Item) -> dict[str, Any]:
        return {"kind": ServiceAccountKind.SERVICE.value, **item.values}

    def create(self, key: Key, item: Item) -> Any:
        stage, values = self.stage, self.initial(key, item)
        account = create_service_account(
            organization=stage.organization,
            name=str(key),
            kind=values["kind"],
            role=stage.role(values["role"]),
            description=values.get("description", ""),
            actor=stage.actor,
        )
        if not values.get("active", True):
            self._store(account, {"description": account.description, **values})
        return account

    def update(self, row: Row, values: dict[str, Any], item: Item) -> Any:
        return self._store(row.stored, values)

    def remove(self, row: Row) -> Any:
        return delete_service_account(account=row.stored, actor=self.stage.actor, reason="Not in the blueprint")

    def _store(self, account: ServiceAccount, values: dict[str, Any]) -> ServiceAccount:
        return update_service_account(
            account=account,
            name=account.name,
            kind=values["kind"],
            role=self.stage.role(values["role"]),
            is_active=values["active"],
            description=values["description"],
            actor=self.stage.actor,
        )


class ServiceAccountProjects(Section):
    """Service accounts' roles in projects."""

    table: ClassVar[str] = "service_account_projects"
    noun: ClassVar[str] = "project role"
    section: ClassVar[str] = "service_accounts"

    def current(self) -> dict[Key, Row]:
        roles = ServiceAccountProjectRole.objects.select_related("account", "project", "role")
        return {
            (place.account.name, place.project.slug): Row({"role": place.role.key}, place)
            for place in roles.order_by("account__name", "project__slug")
        }

    def match(self, key: Key) -> Key:
        return key[0].lower(), key[1]

    def label(self, key: Key) -> str:
        return f"{key[0]} in {key[1]}"

    def create(self, key: Key, item: Item) -> Any:
        stage = self.stage
        return set_service_account_project_role(
            account=stage.service_account(key[0]),
            project=stage.project(key[1]),
            role=stage.role(item.values["role"]),
            actor=stage.actor,
        )

    def update(self, row: Row, values: dict[str, Any], item: Item) -> Any:
        stored, stage = row.stored, self.stage
        return set_service_account_project_role(
            account=stored.account, project=stored.project, role=stage.role(values["role"]), actor=stage.actor
        )

    def is_surplus(self, key: Key, row: Row) -> bool:
        return self.stage.wanted.writes("service_accounts", key[0], "projects")

    def remove(self, row: Row) -> Any:
        return remove_service_account_project_role(project_role=row.stored, actor=self.stage.actor)
