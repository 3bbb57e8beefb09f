"""``GATEHOUSE_INIT_*``: one organization, project, login and key, as a blueprint that only adds."""

from collections.abc import Mapping
from typing import Any

from tenants.permissions import DATA_PLANE, P

from .document import VERSION, Document, understand
from .problems import Path
from .reader import Source

PREFIX = "GATEHOUSE_INIT_"
KEY = "initial"
SCOPES = [P.PROJECTS_READ, *(name for name in DATA_PLANE if not name.endswith(":delete"))]
"""What the initial key may do: read and write the project's data, delete nothing."""


def initial(variables: Mapping[str, str]) -> Document | None:
    """Return the blueprint that the variables describe.

    What exists is left as it is, whatever the variables say: people may have changed it since. A member whom the
    organization removed is not added again.

    Args:
        variables: those that are set, by name; the settings have made sure that they belong together.

    Returns:
        None when no organization is asked for.

    Raises:
        BlueprintError: a value is refused; the problem names its variable.
    """
    given = {name.removeprefix(PREFIX): value for name, value in variables.items()}
    if "ORG_ID" not in given:
        return None
    slug, email = given["ORG_ID"], given["USER_EMAIL"].lower()
    here: Path = ("organizations", slug)
    source = Source("GATEHOUSE_INIT", None)

    def value(name: str, path: Path) -> Any:
        source.names[path] = f"{PREFIX}{name}"
        return given[name]

    def hidden(name: str, path: Path) -> dict[str, str]:
        """Return a reference: the document itself holds no secret."""
        source.secrets[f"{PREFIX}{name}"] = value(name, path)
        return {"env": f"{PREFIX}{name}"}

    source.names[here] = f"{PREFIX}ORG_ID"
    source.names["users", email] = source.names[(*here, "members", email)] = f"{PREFIX}USER_EMAIL"
    user: dict[str, Any] = {}
    if "USER_NAME" in given:
        user["name"] = value("USER_NAME", ("users", email, "name"))
    organization: dict[str, Any] = {"members": {email: {"role": "owner"}}}
    if "ORG_NAME" in given:
        organization["name"] = value("ORG_NAME", (*here, "name"))
    if "PROJECT_ID" in given:
        project = given["PROJECT_ID"]
        place = (*here, "projects", project)
        source.names[place] = f"{PREFIX}PROJECT_ID"
        fields = {"PROJECT_NAME": "name", "PROJECT_ENVIRONMENT": "environment"}
        organization["projects"] = {
            project: {field: value(name, (*place, field)) for name, field in fields.items() if name in given}
        }
    if "PROJECT_SECRET_KEY" in given:
        place = (*here, "keys", KEY)
        organization["keys"] = {
            KEY: {
                "kind": "project",
                "project": given["PROJECT_ID"],
                "scopes": [name.value for name in SCOPES],
                "public_id": value("PROJECT_PUBLIC_KEY", (*place, "public_id")),
                "secret": hidden("PROJECT_SECRET_KEY", (*place, "secret")),
            }
        }
    if "USER_PASSWORD" in given:
        user["password"] = hidden("USER_PASSWORD", ("users", email, "password"))
    source.data = {"version": VERSION, "users": {email: user}, "organizations": {slug: organization}}
    return understand(source, additions_only=True)
