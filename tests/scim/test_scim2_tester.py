"""All checks of scim2-tester, which reads the RFCs by itself, over the WSGI application."""

from collections import Counter

from django.core.handlers.wsgi import WSGIHandler
from scim2_client.engines.wsgi import WSGISCIMClient
from scim2_tester import Status, check_server

from accounts.models import ScimConnection
from tests.people import Tenant
from tests.scim.stage import token_of

FEWEST = 50
DECIDED_OTHERWISE = (
    # Somebody is active or not, and every answer says so: without the attribute they stay what they were.
    "check_remove_attribute: PATCH modify() did not remove attribute 'active'",
    # What a member's display says is the server's: it was sent without one and comes back with the userName.
    "check_add_attribute: Attribute 'members' was not added or has unexpected value",
    "check_replace_attribute: Attribute 'members' was not replaced or has unexpected value",
)
UNWANTED = {status for status in Status if status.name in {"ERROR", "CRITICAL"}}


def test_every_check_of_scim2_tester_passes(acme: Tenant, connection: ScimConnection) -> None:
    secret = token_of(acme, connection).secret
    client = WSGISCIMClient(
        WSGIHandler(), base_url="http://testserver/scim/v2", headers={"Authorization": f"Bearer {secret}"}
    )
    results = check_server(client)
    counted = Counter(result.status for result in results)
    failed = [
        told
        for result in results
        if result.status in UNWANTED and not (told := f"{result.title}: {result.reason}").startswith(DECIDED_OTHERWISE)
    ]
    assert not failed, "\n".join(failed)
    assert counted[Status.SUCCESS] >= FEWEST, counted
