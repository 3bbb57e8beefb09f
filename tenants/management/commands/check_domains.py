"""``manage.py check_domains``: what the daily task does, now and at the terminal."""

from typing import Any

from isolation.actor import Actor
from isolation.commands import ScopedCommand
from isolation.exceptions import DomainError
from isolation.scope import operator_scope, tenant_scope
from tenants.models import Domain
from tenants.selectors import domains_to_check
from tenants.services.domains import recheck_domain


class Command(ScopedCommand):
    """Checks every verified domain, one transaction for each."""

    help = "Look up the TXT records of all verified domains, as the daily check does, and print what was found."

    def run(self, actor: Actor, **options: Any) -> str:
        """Print one line for each domain."""
        with operator_scope("Check the records of verified domains"):
            due = list(domains_to_check().values_list("organization_id", "pk"))
        lines = []
        for organization_id, pk in due:
            with tenant_scope(organization_id):
                domain = Domain.objects.select_related("organization").filter(pk=pk).first()
                if domain is None:
                    continue
                name = f"{domain.organization.slug}: {domain}"
                try:
                    checked = recheck_domain(domain=domain)
                except DomainError as gone:
                    lines.append(f"{name}: {gone.message}")
                    continue
                state = "lost" if checked.state == "pending" else checked.state
                lines.append(f"{name}: {state}{f'. {checked.problem}' if checked.problem else ''}")
        return "\n".join(lines) or "There is no verified domain to check."
