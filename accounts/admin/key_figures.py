"""How many keys there are, on the organization's overview."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from accounts.models import ApiKey
from console.access import actor_of
from console.lists import capped_count
from tenants.admin.common import authority_of
from tenants.admin.overview import FIGURES
from tenants.permissions import P

from .common import SOON


def key_figures(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the numbers of keys in force and of those that end soon, for whoever may read keys."""
    if not authority_of(request).allows_somewhere(P.API_KEYS_READ):
        return []
    keys = ApiKey.objects.visible_to(actor_of(request))
    url = reverse("console:accounts_apikey_changelist")
    return [
        {
            "key": "keys",
            "number": capped_count(keys.active())[0],
            "label": "active API key",
            "url": f"{url}?state=active",
        },
        {
            "key": "expiring_keys",
            "number": capped_count(keys.expiring_within(SOON))[0],
            "label": "key",
            "after": f" expiring within {SOON.days} days",
            "url": f"{url}?expires=soon",
        },
    ]


FIGURES.append(key_figures)
