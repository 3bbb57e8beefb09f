"""What is told of a key, in lists and on its page."""

from typing import Any

from django.contrib import admin
from django.utils.html import format_html_join

from accounts.models import ApiKey
from accounts.selectors import secrets_of
from tenants.admin.common import two_lines

from .common import (
    code,
    environment_badge,
    expiry,
    known_of,
    last_use,
    moment,
    networks,
    scopes_in_words,
    state_badge,
)


class KeyColumns:
    """Mixed into the admins of keys of any table."""

    @admin.display(description="Key")
    def title(self, obj: Any) -> str:
        """Return the name, and what is known of public id and secret."""
        return two_lines(obj.name, known_of(obj))

    @admin.display(description="Last used")
    def used(self, obj: Any) -> str:
        """Return when and from where it was last used."""
        return last_use(obj)

    @admin.display(description="Expires")
    def expires(self, obj: Any) -> str:
        """Return when it ends."""
        return expiry(obj)

    @admin.display(description="State")
    def state(self, obj: Any) -> str:
        """Return whether it is accepted."""
        return state_badge(obj)

    @admin.display(description="Public id")
    def public_id_text(self, obj: Any) -> str:
        """Return the whole public id."""
        return code(obj.public_id)

    @admin.display(description="Created")
    def made(self, obj: Any) -> str:
        """Return when it was made, and by whom."""
        return f"{moment(obj.created_at)} by {obj.created_by}"

    @admin.display(description="Revoked")
    def ended(self, obj: Any) -> str:
        """Return when it was revoked, and why."""
        return two_lines(moment(obj.revoked_at), obj.revocation_reason) if obj.revoked_at else "No"

    @admin.display(description="Note")
    def note_text(self, obj: Any) -> str:
        """Return the note."""
        return str(obj.note)

    @admin.display(description="Allowed networks")
    def networks_text(self, obj: Any) -> str:
        """Return from where it is accepted."""
        return networks(obj)


class ApiKeyColumns(KeyColumns):
    """What is told of an organization's key besides."""

    @admin.display(description="Belongs to")
    def belongs_to(self, obj: ApiKey) -> str:
        """Return whose it is and of which kind."""
        return two_lines(obj.owner, obj.get_kind_display())

    @admin.display(description="Belongs to")
    def owner_name(self, obj: ApiKey) -> str:
        """Return whose it is, for its page."""
        return f"{obj.get_kind_display()}: {obj.owner}"

    @admin.display(description="Environment")
    def environment_name(self, obj: ApiKey) -> str:
        """Return the environment."""
        return environment_badge(obj.environment)

    @admin.display(description="Scopes")
    def scopes_text(self, obj: ApiKey) -> str:
        """Return what it may do at most."""
        return scopes_in_words(obj)

    @admin.display(description="Secret")
    def secret_text(self, obj: ApiKey) -> str:
        """Return the ends of the secrets that are accepted, and since or until when."""
        rows = []
        for secret in secrets_of(obj):
            said = f"made {moment(secret.created_at)}"
            if secret.expires_at:
                said = f"the one before, accepted until {moment(secret.expires_at)}"
            rows.append((f"…{secret.last_four}", said))
        return format_html_join("", '<p><code class="ak-id">{}</code> <span class="gh-muted">{}</span></p>', rows)
