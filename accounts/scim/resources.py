"""The resources of this service, as scim2-models reads them: exactly what is stored, under the rules of `POLICY`.

Where a field's type is another one than the library's, values are kept as they were sent: that is what is ignored.
"""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, ClassVar

from pydantic import Field
from scim2_models import (
    URN,
    AttributeBinding,
    ComplexAttribute,
    Extension,
    Mutability,
    Path,
    Reference,
    Required,
    ScimPolicy,
    Uniqueness,
)
from scim2_models import Email as StandardEmail
from scim2_models import Group as StandardGroup
from scim2_models import GroupMember as StandardGroupMember
from scim2_models import Manager as StandardManager
from scim2_models import Photo as StandardPhoto
from scim2_models import User as StandardUser

CORE_USER = "urn:ietf:params:scim:schemas:core:2.0:User"
CORE_GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE_USER = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

POLICY = ScimPolicy(
    unknown=ScimPolicy.Unknown.ignore,
    unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
    remove_value_as_filter=ScimPolicy.RemoveValue.apply,
)
"""What identity providers send beyond the standard: attributes of their own, create-on-miss, removal by value."""


STRICT_PATHS = POLICY.model_copy(update={"unmatched_path_filter": ScimPolicy.UnmatchedPathFilter.forbid})
"""The same without create-on-miss."""


class Email(StandardEmail):
    """An e-mail address as it was sent; directories hold addresses that are none on the Internet (``@corp.local``)."""

    value: str | None = None
    """E-mail address of the User."""


class Photo(StandardPhoto):
    """A photo's address as it was sent."""

    value: str | None = None  # type: ignore[assignment]
    """URL of a photo of the User."""


class Manager(StandardManager):
    """The manager, by the id that the identity provider sent; Entra ID sends no `$ref`."""

    ref: str | None = Field(None, serialization_alias="$ref", validation_alias="$ref")  # type: ignore[assignment]
    """The URI of the SCIM resource representing the User's manager."""

    display_name: str | None = None
    """The displayName of the User's manager."""


class EnterpriseUser(Extension):
    """The enterprise extension (RFC 7643 section 4.3)."""

    __schema__ = URN(ENTERPRISE_USER)

    employee_number: str | None = None
    """Numeric or alphanumeric identifier assigned to a person by the organization."""

    cost_center: str | None = None
    """Identifies the name of a cost center."""

    organization: str | None = None
    """Identifies the name of an organization."""

    division: str | None = None
    """Identifies the name of a division."""

    department: str | None = None
    """Identifies the name of a department."""

    manager: Manager | None = None
    """The User's manager."""


class User(StandardUser[EnterpriseUser]):
    """A person (RFC 7643 section 4.1)."""

    __schema__ = URN(CORE_USER)

    user_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    """Unique identifier for the User within the organization, whatever the case of its letters."""

    profile_url: str | None = None  # type: ignore[assignment]
    """A URL of a page about the User."""

    emails: list[Email] | None = None  # type: ignore[assignment]
    """E-mail addresses for the User; the primary one counts, else the one for work, else the first."""

    Emails: ClassVar[type[ComplexAttribute]] = Email

    photos: list[Photo] | None = None  # type: ignore[assignment]
    """URLs of photos of the User."""

    Photos: ClassVar[type[ComplexAttribute]] = Photo


class GroupMember(StandardGroupMember):
    """A member of a Group: a User of the same identity provider."""

    ref: Annotated[Reference["User"] | None, Mutability.immutable] = Field(
        None, serialization_alias="$ref", validation_alias="$ref"
    )  # type: ignore[assignment]
    """The URI of the User."""

    type: Annotated[str | None, Mutability.immutable] = Field(None, examples=["User"])
    """Always "User": groups are not nested."""

    display: Annotated[str | None, Mutability.read_only] = None
    """The userName of the member."""


class Group(StandardGroup):
    """A set of people (RFC 7643 section 4.2)."""

    __schema__ = URN(CORE_GROUP)

    members: list[GroupMember] | None = None  # type: ignore[assignment]
    """The members of the Group."""

    Members: ClassVar[type[ComplexAttribute]] = GroupMember


@cache
def binding(model: type[User] | type[Group], path: str) -> AttributeBinding | None:
    """Return what an attribute path names in a resource, None when it names nothing."""
    found: AttributeBinding | None = Path[model](path).resolve()  # type: ignore[valid-type]
    return found


def comparable_value(path: str, value: Any) -> Any:
    """Return a User's value in the form that comparisons use (RFC 7643 section 2.2, caseExact).

    Args:
        path: the attribute, such as ``name.familyName``, or qualified by an extension's URN.
        value: as it was sent.
    """
    if isinstance(value, str):
        found = binding(User, path)
        return POLICY.comparison_key(found, value) if found is not None else value
    if isinstance(value, list):
        return [comparable_value(path, item) for item in value]
    if isinstance(value, Mapping):
        separator = ":" if path == ENTERPRISE_USER else "."
        return {name: comparable_value(f"{path}{separator}{name}", item) for name, item in value.items()}
    return value


def comparable_name(model: type[User] | type[Group], path: str, value: str) -> str:
    """Return a name in the form that comparisons use: `userName` of a User, `displayName` of a Group."""
    found = binding(model, path)
    assert found is not None  # noqa: S101 - only called with an attribute of the schema
    return POLICY.comparison_key(found, value)
