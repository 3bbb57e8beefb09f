"""Changes to the installation's settings; operators only."""

from typing import Any

from django.db import transaction

from audit.redaction import snapshot
from isolation.actor import Actor
from isolation.exceptions import DomainError
from tenants import signals
from tenants.models import InstallationSettings

from .naming import check_pattern
from .rules import operators_only


@transaction.atomic
def update_installation_settings(*, actor: Actor, **values: Any) -> InstallationSettings:
    """Change the installation's settings.

    Args:
        actor: an operator or the system.
        values: fields of InstallationSettings.

    Raises:
        DomainError: somebody else asks, or a naming pattern is refused.
    """
    operators_only(actor)
    settings = InstallationSettings.load()
    before = snapshot(settings)
    for name, value in values.items():
        setattr(settings, name, value)
    settings.organization_naming_pattern = check_pattern(
        settings.organization_naming_pattern, field="organization_naming_pattern"
    )
    if not settings.deletion_grace_days:
        raise DomainError("Leave at least one day to call a deletion off.", field="deletion_grace_days", code="invalid")
    settings.save()
    signals.installation_settings_updated.announce(settings, actor=actor, before=before, after=snapshot(settings))
    return settings
