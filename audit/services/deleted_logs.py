"""The names of organizations that are gone and whose logs are kept."""

from uuid import UUID

from audit.models import DeletedLog


def keep_name(*, organization_id: UUID, slug: str, name: str) -> None:
    """Keep the name of an organization that is being deleted for good; its scope is open.

    The event that tells of the deletion stands for the row.
    """
    DeletedLog(organization_id=organization_id, slug=slug, name=name).save(force_insert=True)
