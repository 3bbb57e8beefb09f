"""The drift report of a connection: where the organization and its identity provider differ."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from accounts.drift import Found, groups_without_role, inactive_with_keys, unknown_members, waiting_people
from accounts.models import ScimConnection
from console.access import can
from console.sites import tenant_site
from tenants.permissions import P


@tenant_site.page(
    "provisioning/<uuid:connection_id>/drift/", name="provisioning_drift", title="Drift report", permission=P.SCIM_READ
)
def drift_report(request: HttpRequest, connection_id: UUID) -> HttpResponse:
    """Show who and what is here or there only.

    Raises:
        Http404: there is no such connection in this organization.
    """
    connection = ScimConnection.objects.filter(pk=connection_id).first()
    if connection is None:
        raise Http404("There is no such connection here.")
    manages = can(request, P.SCIM_MANAGE, connection)
    member_url = _linked("tenants_membership_change") if can(request, P.MEMBERS_READ) else _nowhere
    group_url = _linked("tenants_group_change") if can(request, P.GROUPS_READ) else _nowhere
    release_user = _linked("accounts_provisioneduser_release") if manages else _nowhere
    release_group = _linked("tenants_group_manage_by_hand") if manages and can(request, P.GROUPS_MANAGE) else _nowhere
    person_url = _linked("accounts_provisioneduser_change")
    parts = [
        {
            "title": "People who have not joined yet",
            "text": "The identity provider wants them here; something is missing.",
            "head": "Person",
            **_rows(waiting_people(connection), lambda row: person_url(row.pk), lambda row: release_user(row.pk)),
        },
        {
            "title": "Inactive people with keys in force",
            "text": "They cannot sign in any more; look through the keys that they own or made.",
            "head": "Person",
            **_rows(
                inactive_with_keys(connection),
                lambda row: member_url(row.membership_id),
                lambda row: release_user(row.pk),
            ),
        },
        {
            "title": "Groups without a role",
            "text": "They came through this connection and give their members nothing.",
            "head": "Group",
            **_rows(
                groups_without_role(connection),
                lambda row: group_url(row.group_id),
                lambda row: release_group(row.group_id),
            ),
        },
        {
            "title": "Members whom no identity provider knows",
            "text": "Nothing takes their access away when they leave: remove them here, or provision them there.",
            "head": "Member",
            **_rows(unknown_members(), lambda row: member_url(row.pk), _nowhere),
        },
    ]
    if not can(request, P.MEMBERS_READ):
        parts.pop()
    context = {
        "title": "Drift report",
        "subtitle": str(connection),
        "breadcrumbs": [
            {"title": "Provisioning", "url": reverse("console:accounts_scimconnection_changelist")},
            {
                "title": str(connection),
                "url": reverse("console:accounts_scimconnection_change", args=[connection.pk]),
            },
        ],
        "parts": parts,
    }
    response: HttpResponse = tenant_site.render(request, "accounts/provisioning/drift.html", context)
    return response


def _rows(found: Found, url: Callable[[Any], str], release: Callable[[Any], str]) -> dict[str, Any]:
    rows = [
        {"name": str(row), "reason": reason, "url": url(row), "release_url": release(row)} for row, reason in found.rows
    ]
    return {"rows": rows, "more": found.more}


def _linked(name: str) -> Callable[[Any], str]:
    return lambda pk: reverse(f"console:{name}", args=[pk])


def _nowhere(row: Any) -> str:
    return ""
