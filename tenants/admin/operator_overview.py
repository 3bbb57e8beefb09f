"""The numbers on the operators' overview."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from audit.models import Event
from console.lists import capped_count
from console.sites import operator_site
from tenants.models import Membership, Organization


def overview(request: HttpRequest) -> dict[str, Any]:
    """Return how much there is, and what deserves a look; each number costs one bounded count."""
    organizations = reverse("operator:tenants_organization_changelist")
    users = reverse("operator:accounts_user_changelist")
    log = reverse("operator:audit_log")
    people = get_user_model().objects.all()
    today = Event.objects.filter(time__gte=timezone.now() - timedelta(hours=24))
    figures = [
        ("organization{}", Organization.objects.all(), organizations),
        ("suspended", Organization.objects.exclude(suspended_at=None), _narrowed(organizations, state="suspended")),
        ("being deleted", Organization.objects.exclude(purge_at=None), _narrowed(organizations, state="deleting")),
        ("user{}", people, users),
        ("operator{}", people.filter(is_operator=True), _narrowed(users, is_operator__exact=1)),
        ("membership{}", Membership.objects.all(), organizations),
        ("event{} in 24 hours", today, _narrowed(log, range="24h", reads=1)),
        ("refused in 24 hours", today.filter(outcome="denied"), _narrowed(log, range="24h", outcome="denied")),
    ]
    return {"title": "Overview", "figures": [_figure(*figure) for figure in figures]}


def _figure(label: str, rows: "QuerySet[Any]", url: str) -> dict[str, Any]:
    number, more = capped_count(rows)
    return {"label": label.format("" if number == 1 else "s"), "number": number, "more": more, "url": url}


def _narrowed(url: str, **query: Any) -> str:
    return f"{url}?{urlencode(query)}"


operator_site.overview_template = "tenants/operator_overview.html"
operator_site.overview_context.append(overview)
