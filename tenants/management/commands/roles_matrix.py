"""``manage.py roles_matrix``: the documentation's table of roles and permissions, drawn from the code."""

from typing import Any

from django.core.management.base import BaseCommand

from tenants.permissions import BUILTIN_ROLES, CATALOGUE

HEADER = """# Roles and permissions

Drawn from the code by `manage.py roles_matrix`. An organization can add roles of its own from the same permissions.
"""


class Command(BaseCommand):
    """Prints docs/roles.md."""

    help = "Print the roles and their permissions as Markdown (docs/roles.md)."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> str:
        """Return the document."""
        return matrix()


def matrix() -> str:
    """Return docs/roles.md as it should be."""
    lines = [HEADER, *(f"- **{role.name}**: {role.description}" for role in BUILTIN_ROLES.values()), ""]
    for group in CATALOGUE:
        lines += [
            f"## {group.label}",
            "",
            f"| permission | what it allows | {' | '.join(role.name for role in BUILTIN_ROLES.values())} |",
            f"|---|---|{':-:|' * len(BUILTIN_ROLES)}",
        ]
        for permission in group.permissions:
            marks = " | ".join("✓" if permission.name in role.permissions else "" for role in BUILTIN_ROLES.values())
            lines.append(f"| `{permission.name}` | {permission.help} | {marks} |")
        lines.append("")
    return "\n".join(lines).rstrip()
