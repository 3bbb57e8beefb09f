"""What several endpoints of this app show, and how they name things in a body."""

from collections.abc import Callable
from typing import Any

from rest_framework import serializers

from api.fields import IdOrNameField, NamedReferenceField, ReferenceField
from api.operation import Filter
from api.serializers import Answer
from api.views import ApiView
from tenants.models import Group, Membership, Project, Role

EXAMPLE_ID = "0f3e0f5c-59f6-4a8b-9f57-1f6a0f0a3c11"


class RoleName(Answer):
    """A role, by name."""

    id = serializers.UUIDField()
    key = serializers.CharField(help_text="Names a built-in role in every organization: owner, admin, member, …")
    name = serializers.CharField()


class ProjectName(Answer):
    """A project, by name."""

    id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()


class PersonAnswer(Answer):
    """A person."""

    id = serializers.UUIDField()
    email = serializers.EmailField()
    name = serializers.CharField()


class MemberName(Answer):
    """A member: the id is the membership's, which addresses of members end in."""

    id = serializers.UUIDField()
    user = PersonAnswer()


def visible_projects(view: ApiView) -> Any:
    """Return the projects that the actor may name."""
    return Project.objects.visible_to(view.actor)


def role_field(**options: Any) -> NamedReferenceField:
    """Return a field that takes a role's id or key."""
    return NamedReferenceField(lambda _: Role.objects.all(), "key", **options)


def project_field(rows: Callable[[ApiView], Any] = visible_projects, **options: Any) -> NamedReferenceField:
    """Return a field that takes the id or slug of one of `rows`: left out, those that the actor sees."""
    return NamedReferenceField(rows, "slug", **options)


def role_filter(about: str) -> Filter:
    """Return a filter of rows by their role, which its id or key names."""
    return Filter(IdOrNameField("key", help_text=about), "role_id", name_lookup="role__key")


def project_filter(about: str) -> Filter:
    """Return a filter of rows by their project, which its id or slug names."""
    return Filter(IdOrNameField("slug", help_text=about), "project_id", name_lookup="project__slug")


def member_field(**options: Any) -> ReferenceField:
    """Return a field that takes a member's id."""
    return ReferenceField(lambda _: Membership.objects.select_related("user", "role"), **options)


def group_field(**options: Any) -> ReferenceField:
    """Return a field that takes a group's id."""
    return ReferenceField(lambda _: Group.objects.all(), **options)


ROLE_EXAMPLE = {"id": "6f3f7a0e-3a55-4c0e-8a36-5d4f3f1f6f01", "key": "member", "name": "Member"}
PROJECT_EXAMPLE = {"id": "9a1b2c3d-0b1c-4d2e-8f3a-4b5c6d7e8f90", "slug": "chatbot", "name": "Chatbot"}
GROUP_EXAMPLE = {"id": "2d3e4f50-1a2b-4c3d-9e4f-5a6b7c8d9e0f", "name": "Evaluators"}
MEMBER_EXAMPLE = {
    "id": "7c8d9e0f-2b3c-4d5e-8f60-718293a4b5c6",
    "user": {"id": "5b7c7b4e-4f5f-4a77-9d0e-6a9f7c8d1e22", "email": "ada@acme.example", "name": "Ada"},
}
