"""Which LLM requests pass, with which credential, and what they carry then."""

from tests.gateway.check_stage import SECRET, Proxy, check
from tests.gateway.process import Gateway
from tests.people import Tenant


def test_a_request_passes_with_the_credential_injected(gateway: Gateway, acme: Tenant) -> None:
    proxy = Proxy(acme)
    credential = proxy.credential()
    token = proxy.token()
    for _ in range(2):
        answer = check(gateway, token, headers={"X-Request-Id": "request-0001", "Cookie": "a=b"})
        assert answer.code == ""
        assert answer.secret == SECRET
        assert answer.context.credential_id == str(credential.pk)
        assert answer.reply.headers["x-request-id"] == "request-0001"
        assert answer.context.request_id == "request-0001"
        assert answer.reply.body == b""
