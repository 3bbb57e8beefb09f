"""People sign in through their organization's SAML identity provider."""

from tests.sso.saml.provider import SamlIdp
from tests.sso.saml.stage import Saml


def test_a_member_signs_in_and_comes_again(saml: Saml, idp: SamlIdp) -> None:
    visit = saml.sign_in()
    assert visit.response.status_code == 302, [(login.reason, login.checks) for login in saml.logins()]
    assert visit.response.headers["Location"] == "/o/acme/"
    assert visit.user_id == str(saml.tenant.member.pk)
    assert saml.identities() == ["u-1"]
    idp.attributes |= {"email": "changed@acme.example"}
    assert saml.sign_in().user_id == str(saml.tenant.member.pk), "the subject counts, not the address"
    assert [login.succeeded for login in saml.logins()] == [True, True]
