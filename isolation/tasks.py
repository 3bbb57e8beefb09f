"""The base of Celery tasks that work inside one organization."""

from typing import Any
from uuid import UUID

from celery import Task

from .actor import SYSTEM
from .context import Origin, Via, acting_as, originating
from .scope import tenant_scope


class TenantTask(Task):  # type: ignore[type-arg]  # generic in the stubs only
    """A task whose first argument is the organization's id; its body runs in that organization's scope, as the system.

    Use it as ``@shared_task(base=TenantTask)``. A call without an organization fails instead of seeing everything.
    """

    abstract = True

    def __call__(self, organization_id: str, *args: Any, **kwargs: Any) -> Any:
        """Run the body inside ``tenant_scope(organization_id)``.

        Raises:
            ValueError: `organization_id` is no UUID.
        """
        origin = Origin(via=Via.SYSTEM, request_id=self.request.id or "")
        with originating(origin), acting_as(SYSTEM), tenant_scope(UUID(str(organization_id))):
            return super().__call__(organization_id, *args, **kwargs)
