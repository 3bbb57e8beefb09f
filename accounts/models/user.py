"""A person's login, global to the installation."""

import uuid
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.auth import models as auth_models
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower

from audit.redaction import secret

if TYPE_CHECKING:  # Django's managers take type arguments in the stubs only
    _BaseUserManager = BaseUserManager["User"]
else:
    _BaseUserManager = BaseUserManager


class UserManager(_BaseUserManager):
    """Creates people by e-mail address."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Return a new user; without a password nobody can log in as them until they reset it.

        Args:
            email: the address, stored in lower case.
            password: clear text, hashed before it is stored.
            fields: further model fields.
        """
        user: User = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def get_by_natural_key(self, username: str | None) -> "User":
        """Return the user with this e-mail address, in whatever case it was typed."""
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser):
    """One login, many organizations. What somebody may do is never stored here, except being an operator.

    There is no superuser: authority inside an organization comes from its membership tables alone.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    password = secret(models.CharField(max_length=128))
    email = models.EmailField("e-mail address", max_length=254, unique=True)
    name = models.CharField(max_length=120, blank=True)
    is_active = models.BooleanField(
        "active",
        default=True,
        help_text="Off: cannot sign in anywhere; memberships stay as they are.",
    )
    is_operator = models.BooleanField(
        "operator",
        default=False,
        help_text="Runs this installation: opens the operator console.",
    )
    date_joined = models.DateTimeField("joined", auto_now_add=True)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    audit_exclude = frozenset({"last_login", "date_joined"})

    class Meta:
        default_permissions = ()
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(Lower("email"), name="accounts_user_email_any_case"),
        ]

    def __str__(self) -> str:
        return self.email

    @property
    def display_name(self) -> str:
        """Return the name, or the address of somebody who gave none."""
        return self.name or self.email

    @property
    def is_staff(self) -> bool:
        """Return whether this is an operator (Django's and allauth's word for it)."""
        return self.is_operator

    @property
    def is_superuser(self) -> bool:
        """Return False: nobody is allowed everything."""
        return False

    def get_full_name(self) -> str:
        """Return the display name (Django's convention)."""
        return self.display_name

    def get_short_name(self) -> str:
        """Return the display name (Django's convention)."""
        return self.display_name

    def has_perm(self, perm: str, obj: models.Model | None = None) -> bool:
        """Return whether the authentication backends grant `perm` on `obj`; the same answer as `actor.can`."""
        return self.is_active and bool(auth_models._user_has_perm(self, perm, obj))  # type: ignore[attr-defined]

    def has_perms(self, perm_list: list[str], obj: models.Model | None = None) -> bool:
        """Return whether every one of the permissions is granted."""
        return all(self.has_perm(perm, obj) for perm in perm_list)

    def has_module_perms(self, app_label: str) -> bool:
        """Return whether the person may see an app in the operator console."""
        return self.is_active and self.is_operator
