"""How the viewer shows times and values."""

import json
from datetime import UTC, datetime
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag
def local_time(moment: datetime | None) -> SafeString | str:
    """Return a time element: UTC, which a script rewrites in the browser's zone, with UTC in the tooltip."""
    if moment is None:
        return ""
    utc = moment.astimezone(UTC)
    text = f"{utc:%Y-%m-%d %H:%M:%S}"
    return format_html('<time datetime="{}" title="{} UTC" data-local>{} UTC</time>', utc.isoformat(), text, text)


@register.simple_tag
def local_day(moment: datetime) -> SafeString:
    """Return a time element without seconds: UTC, which a script rewrites in the browser's zone."""
    utc = moment.astimezone(UTC)
    return format_html('<time datetime="{}" data-local="day">{}</time>', utc.isoformat(), f"{utc:%Y-%m-%d %H:%M}")


@register.filter
def as_text(value: Any) -> str:
    """Return a value of a changed field as words."""
    if value is None or value == "":
        return "empty"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
