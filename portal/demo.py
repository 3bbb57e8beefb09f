"""What the demo installation holds, as plain data: the terminal prints its logins before Django is loaded."""

from dataclasses import dataclass

from tenants.permissions import BuiltinRole

PASSWORD = "demo-gatehouse"  # noqa: S105 - printed at the start, for demo data only
OPERATOR = ("operator@gatehouse.example", "Olu Operator")
NEWCOMER = "newcomer@acme.example"


@dataclass(frozen=True, slots=True)
class DemoOrganization:
    """One organization of the demo.

    Attributes:
        slug, name: of the organization.
        people: for each built-in role, the name of the person who has it.
        projects: slug, name and environment of each project.
    """

    slug: str
    name: str
    people: dict[BuiltinRole, str]
    projects: tuple[tuple[str, str, str], ...] = ()

    def email(self, role: BuiltinRole) -> str:
        """Return the login of the person with the role."""
        return f"{role.value}@{self.slug}.example"


ACME = DemoOrganization(
    "acme",
    "Acme",
    {
        BuiltinRole.OWNER: "Ada Owner",
        BuiltinRole.ADMIN: "Ben Admin",
        BuiltinRole.MEMBER: "Mia Member",
        BuiltinRole.VIEWER: "Vik Viewer",
        BuiltinRole.AUDITOR: "Aya Auditor",
        BuiltinRole.NONE: "Noah None",
    },
    (
        ("chatbot-prod", "Chatbot", "production"),
        ("chatbot-dev", "Chatbot (development)", "development"),
        ("search-eval", "Search evaluation", "staging"),
    ),
)
GLOBEX = DemoOrganization(
    "globex", "Globex", {BuiltinRole.OWNER: "Gil Owner"}, (("support-bot", "Support bot", "production"),)
)


def logins() -> list[tuple[str, str, str]]:
    """Return e-mail address, password and description of the demo's logins, for the terminal."""
    rows = [
        (demo.email(role), PASSWORD, f"{role.name.capitalize()} of {demo.name}")
        for demo in (ACME, GLOBEX)
        for role in demo.people
    ]
    return [*rows, (OPERATOR[0], PASSWORD, "Operator of the installation: /admin/")]
