"""What the endpoints of this app show, shared by several of them."""

from rest_framework import serializers

from api.serializers import Answer


class RoleName(Answer):
    """A role, by name."""

    id = serializers.UUIDField()
    key = serializers.CharField(help_text="Names a built-in role in every organization: owner, admin, member, …")
    name = serializers.CharField()
