"""Users and groups with django-scim2's mixins."""

from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import models
from django_scim.models import AbstractSCIMGroupMixin, AbstractSCIMUserMixin  # type: ignore[import-untyped]


class Group(AbstractSCIMGroupMixin):  # type: ignore[misc]
    """A group with a name."""

    name = models.CharField(max_length=256, unique=True)


class User(AbstractSCIMUserMixin, AbstractUser):  # type: ignore[misc]
    """Django's own user, in such groups."""

    groups = models.ManyToManyField(Group, related_name="user_set")  # type: ignore[assignment]

    @property
    def scim_groups(self) -> Any:
        """Return what the adapter shows as the user's groups."""
        return self.groups
