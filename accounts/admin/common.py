"""What the pages of keys and service accounts share."""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.models import ApiKey
from tenants.admin.common import STYLE, badge, two_lines
from tenants.models import Environment
from tenants.permissions import CATALOGUE, PERMISSIONS

KEY_STYLE = {"all": [*STYLE["all"], "accounts/keys.css"]}
KEY_SCRIPTS = ["accounts/keys.js"]
SOON = timedelta(days=14)
STATE_TONES = {"active": "good", "expired": "warn", "revoked": "bad"}
ENVIRONMENT_TONES = {Environment.PRODUCTION: "bad", Environment.STAGING: "warn", Environment.DEVELOPMENT: "good"}
_SHOWN_OF_ID = 6


def short_id(public_id: str) -> str:
    """Return the beginning of a public id: its prefix and the first characters that tell it apart."""
    prefix, _, rest = public_id.rpartition("_")[0].rpartition("_")
    return f"{prefix}_{rest[:_SHOWN_OF_ID]}…"


def known_of(key: Any) -> str:
    """Return by what people tell a key apart: the beginning of its public id and the end of its secret."""
    # The joiner keeps a line from ending between the dots and the characters.
    return f"{short_id(key.public_id)} · secret …\u2060{key.last_four}"


def moment(when: datetime) -> str:
    """Return day and time, in UTC."""
    return f"{when:%-d %B %Y, %H:%M} UTC"


def state_badge(key: Any) -> SafeString:
    """Return "Active", "Expired" or "Revoked"."""
    return badge(key.state.capitalize(), STATE_TONES[key.state])


def environment_badge(environment: str) -> SafeString:
    """Return the environment, in the colours of a project's."""
    known = Environment(environment)
    return badge(str(known.label), ENVIRONMENT_TONES[known])


def expiry(key: Any) -> SafeString:
    """Return when a key expires; a warning when that is soon."""
    if key.expires_at is None:
        return format_html('<span class="gh-muted">{}</span>', "Never")
    left = key.expires_at - timezone.now()
    day = date_format(key.expires_at)
    if key.state != "active" or left > SOON:
        return two_lines(day)
    words = "today" if left < timedelta(days=1) else "tomorrow" if left.days == 1 else f"in {left.days} days"
    return format_html('<span class="tn-two"><span>{}</span><span>{}</span></span>', day, badge(words, "warn"))


def last_use(key: Any) -> SafeString:
    """Return when and from where a key was last used."""
    if key.last_used_at is None:
        return format_html('<span class="gh-muted">{}</span>', "Never")
    when = key.last_used_at
    return two_lines(date_format(when), ", ".join(filter(None, [f"{when:%H:%M} UTC", key.last_used_ip])))


def networks(key: Any) -> str:
    """Return from where a key is accepted."""
    return ", ".join(key.allowed_networks) or "Everywhere"


def scopes_in_words(key: ApiKey) -> SafeString:
    """Return what a key may do at most, a line for each resource."""
    lines = []
    for group in CATALOGUE:
        labels = [item.label for item in group.permissions if item.name.value in key.scopes]
        if labels:
            lines.append((group.label, ", ".join(labels)))
    unknown = [name for name in key.scopes if name not in PERMISSIONS]
    if unknown:
        lines.append(("Without effect", ", ".join(unknown)))
    body = format_html_join("", "<p><strong>{}</strong>: {}</p>", lines)
    return format_html('<div class="ak-scope-list">{}</div>', body)


def code(text: str) -> SafeString:
    """Return an identifier in type that tells its characters apart."""
    return format_html('<code class="ak-id">{}</code>', text)
