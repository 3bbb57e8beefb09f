"""The buttons of a provider credential: test, put back, forget, switch on and off, delete."""

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import reverse

from console.access import actor_of
from console.confirm import ConfirmForm, show_confirmation
from console.sites import tenant_site
from gateway.models import ProviderCredential
from gateway.services.credential_tests import test_provider_credential
from gateway.services.provider_credentials import (
    delete_provider_credential,
    forget_former_secret,
    put_back_former_secret,
    set_provider_credential_enabled,
)
from isolation.actor import Actor
from isolation.exceptions import DomainError

from .credential_rows import managed, url_of


def _test(credential: ProviderCredential, actor: Actor) -> tuple[int, str]:
    outcome = test_provider_credential(credential=credential, actor=actor)
    return (messages.SUCCESS if outcome.accepted else messages.ERROR), outcome.text


def _put_back(credential: ProviderCredential, actor: Actor) -> tuple[int, str]:
    put_back_former_secret(credential=credential, actor=actor)
    return messages.SUCCESS, "Requests use the former secret again. The one that it replaces is kept in its place."


def _forget(credential: ProviderCredential, actor: Actor) -> tuple[int, str]:
    forget_former_secret(credential=credential, actor=actor)
    return messages.SUCCESS, "The former secret is forgotten."


def _enable(credential: ProviderCredential, actor: Actor) -> tuple[int, str]:
    set_provider_credential_enabled(credential=credential, enabled=True, actor=actor)
    return messages.SUCCESS, "Requests use it again."


def _disable(credential: ProviderCredential, actor: Actor) -> tuple[int, str]:
    set_provider_credential_enabled(credential=credential, enabled=False, actor=actor)
    return messages.SUCCESS, "No request leaves with it until you switch it on again."


def _button(work: Callable[[ProviderCredential, Actor], tuple[int, str]]) -> Callable[..., HttpResponse]:
    """Return the view of a button: it works by POST, tells what came of it, and leads back to the credential."""

    def view(request: HttpRequest, pk: UUID) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        credential = managed(request, pk)
        try:
            level, text = work(credential, actor_of(request))
        except DomainError as error:
            level, text = messages.ERROR, error.message
        messages.add_message(request, level, text)
        return HttpResponseRedirect(url_of(credential))

    return view


for _verb, _work in {
    "test": _test,
    "put_back": _put_back,
    "forget": _forget,
    "enable": _enable,
    "disable": _disable,
}.items():
    tenant_site.page(
        f"provider-credentials/<uuid:pk>/{_verb.replace('_', '-')}/",
        name=f"provider_credential_{_verb}",
        title=_verb.replace("_", " ").capitalize(),
        permission=None,
    )(_button(_work))


@tenant_site.page(
    "provider-credentials/<uuid:pk>/delete/",
    name="provider_credential_delete",
    title="Delete a credential",
    permission=None,
)
def delete_credential(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Ask for the credential's name; on POST delete it."""
    credential = managed(request, pk)
    form = ConfirmForm.build(request, phrase=credential.name)
    if request.method == "POST" and form.is_valid():
        delete_provider_credential(credential=credential, actor=actor_of(request))
        messages.success(request, f"The credential {credential} was deleted. End it at the provider, too.")
        return HttpResponseRedirect(reverse("console:provider_credentials"))
    return show_confirmation(
        tenant_site,
        request,
        title=f"Delete {credential}",
        form=form,
        cancel_url=url_of(credential),
        message="No request leaves with it any more, from within a second on. Its secrets are deleted for good.",
        consequences=[
            "Requests that have no other credential are refused.",
            "At the provider it stays valid until it is ended there.",
            "To let no request use it for a while, switch it off instead.",
        ],
        submit="Delete",
    )
