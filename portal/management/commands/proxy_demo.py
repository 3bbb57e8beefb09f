"""``manage.py proxy_demo``: lets the demo organization's requests through the LLM auth proxy to the fake provider."""

from typing import Any

from django.conf import settings
from django.db import transaction

from accounts.key_format import KeyKind
from accounts.models import ApiKey
from accounts.services.api_keys import create_api_key
from gateway.models import Provider, ProviderCredential, ProxySettings
from gateway.services.provider_credentials import create_provider_credential
from gateway.services.proxy_settings import update_proxy_settings
from isolation.actor import Actor
from isolation.commands import ScopedCommand
from isolation.exceptions import DomainError
from isolation.scope import tenant_scope
from portal.demo import ACME
from tenants.lookups import organization_id_of
from tenants.models import Organization, Project
from tenants.permissions import P

PROJECT = "chatbot-dev"
KEY_NAME = "make proxy"
CREDENTIAL_NAMES = {Provider.OPENAI_COMPATIBLE: "Fake provider", Provider.ANTHROPIC: "Fake provider (Anthropic)"}


class Command(ScopedCommand):
    """Fills in what is missing and prints commands to try."""

    help = (
        "Turn the proxy on for the demo organization, with credentials of the fake provider and a key, and print "
        "commands that ask it something. Runs as often as one likes. Refuses in production."
    )

    def run(self, actor: Actor, **options: Any) -> str:
        """Fill in what is missing.

        Raises:
            DomainError: this is a production installation.
        """
        if settings.PRODUCTION:
            raise DomainError("The demo is not for production: its key lies in a file.", code="production")
        found = organization_id_of(ACME.slug)
        if found is None:
            return _where("Make a provider credential, a key with llm:invoke, and a token, then send it there.")
        with tenant_scope(found), transaction.atomic():
            organization = Organization.objects.get(pk=found)
            _prepare(organization, actor)
            public_id, secret = _key(organization, actor)
        return _where(_commands(public_id, secret))


def _prepare(organization: Organization, actor: Actor) -> None:
    chosen = ProxySettings.of(organization.pk)
    if not (chosen.is_enabled and chosen.accepts_api_keys):
        update_proxy_settings(organization=organization, actor=actor, is_enabled=True, accepts_api_keys=True)
    for provider, name in CREDENTIAL_NAMES.items():
        if not ProviderCredential.objects.filter(name=name).exists():
            create_provider_credential(
                organization=organization,
                name=name,
                provider=provider,
                secret="the-fake-provider-takes-anything",  # noqa: S106 - and means it
                base_url=f"http://127.0.0.1:{settings.FAKE_PROVIDER_PORT}",
                allowed_models=["fake-*"],
                actor=actor,
            )


def _key(organization: Organization, actor: Actor) -> tuple[str, str]:
    """Return the demo key's public id and secret, which lies in a file beside the development's other secrets."""
    file = settings.GATEHOUSE_HOME / "proxy-demo.key"
    known = ApiKey.objects.filter(name=KEY_NAME, revoked_at=None).first()
    if known is not None and file.exists():
        return known.public_id, file.read_text(encoding="utf-8")
    issued = create_api_key(
        organization=organization,
        kind=KeyKind.PROJECT,
        name=KEY_NAME,
        scopes=[P.LLM_INVOKE],
        project=Project.objects.get(slug=PROJECT),
        actor=actor,
    )
    file.touch(mode=0o600)
    file.write_text(issued.secret, encoding="utf-8")
    return issued.public_id, issued.secret


def _commands(public_id: str, secret: str) -> str:
    said = '{"role": "user", "content": "Hello from behind the proxy"}'
    body = f'{{"model": "fake-1", "stream": true, "messages": [{said}]}}'
    ask = f"curl -sN http://127.0.0.1:{settings.PROXY_PORT}/v1/chat/completions -H 'Content-Type: application/json'"
    return f"""With a key, as clients do that can set nothing else:

  {ask} \\
    -H 'Authorization: Bearer {secret}' -d '{body}'

With a token, as services do:

  TOKEN=$(curl -s {settings.PUBLIC_URL}/api/v1/oauth2/token -u '{public_id}:{secret}' \\
    -d grant_type=client_credentials | sed 's/.*"access_token": *"\\([^"]*\\)".*/\\1/')
  {ask} \\
    -H "X-Gatehouse-LLM-Auth: $TOKEN" -d '{body}'
"""


def _where(text: str) -> str:
    return f"\nThe LLM auth proxy listens at http://127.0.0.1:{settings.PROXY_PORT}.\n\n{text}"
