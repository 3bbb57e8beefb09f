"""The role that people get who come through an identity provider, as a field of its connection's form."""

from typing import Any

from django.http import HttpRequest

from console.options import TenantModelAdmin
from tenants.admin.common import role_field, role_options


class RoleOfNewPeople(TenantModelAdmin):
    """Mixed into the admins of connections."""

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer the roles that the actor may give; Owner is given to people one by one."""
        formfield = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if db_field.name == "role":
            options = role_options(request, owner=False)
            formfield = role_field(formfield, options)
            formfield.label = "Role of new people"
            formfield.choices = options.choices(empty="The organization's default role")
        return formfield
