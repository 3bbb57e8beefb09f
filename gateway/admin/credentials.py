"""Provider credentials: which there are, adding, changing and rotating one, and which one a request leaves with."""

from datetime import timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from console.access import actor_of, can
from console.confirm import add_refusal
from console.sites import tenant_site
from gateway.credential_options import is_offered
from gateway.forms.credentials import CredentialForm, ResolutionForm, RotationForm
from gateway.models import CredentialKind, Provider
from gateway.named_rows import project_named, projects_of
from gateway.selectors import resolution_of
from gateway.services.credential_tests import ACCEPTED
from gateway.services.provider_credentials import (
    create_provider_credential,
    rotate_provider_credential,
    update_provider_credential,
)
from isolation.exceptions import DomainError
from tenants.admin.common import authority_of, organization_of, page
from tenants.permissions import P

from .credential_rows import (
    crumbs,
    demand_adding,
    demand_sight,
    found,
    managed,
    may_add,
    may_see_some,
    row_of,
    seen,
    settings_of,
    url_of,
)

MOST_SHOWN = 200
_PROVIDERS = {
    Provider.OPENAI: ("bolt", "api.openai.com, or another address that the operator allows."),
    Provider.ANTHROPIC: ("auto_awesome", "api.anthropic.com, or another address that the operator allows."),
    Provider.AZURE_OPENAI: ("cloud", "A resource of your own in Azure."),
    Provider.BEDROCK: ("landscape", "Models in your AWS account, by a Bedrock API key, an access key or a role."),
    Provider.VERTEX: ("change_history", "Models in your Google Cloud project, by a service account."),
    Provider.MISTRAL: ("air", "api.mistral.ai, or another address that the operator allows."),
    Provider.OPENAI_COMPATIBLE: ("lan", "vLLM, Ollama, LiteLLM and others that speak OpenAI's API."),
}
_KINDS = {
    CredentialKind.API_KEY: "The secret itself is stored here, encrypted.",
    CredentialKind.OAUTH_CLIENT: "Gatehouse gets access tokens from a token endpoint, and renews them in time.",
    CredentialKind.AWS_KEYS: "Of an IAM user, or a role that it assumes. Gatehouse makes Bedrock keys of an hour.",
    CredentialKind.VAULT: "The credential stays in Vault. Gatehouse reads it when it is used and keeps it for a lease.",
    CredentialKind.AWS_SECRETS_MANAGER: "The credential stays in AWS. Gatehouse reads it when it is used.",
}


@tenant_site.page(
    "provider-credentials/",
    name="provider_credentials",
    title="Provider credentials",
    permission=None,
    open_when=may_see_some,
    menu=("LLM proxy", 20),
    icon="encrypted",
    description="With what LLM requests leave: add, rotate and test credentials, see which one is used.",
)
def show_list(request: HttpRequest) -> HttpResponse:
    """Show the credentials, the organization's first, then by project."""
    demand_sight(request)
    wanted = request.GET.get("q", "").strip()[:120].replace("\0", "")
    rows = seen(request)
    if wanted:
        rows = rows.filter(
            Q(name__istartswith=wanted) | Q(project__slug__startswith=wanted) | Q(project__name__istartswith=wanted)
        )
    ordered = rows.order_by(
        F("project__name").asc(nulls_first=True), "project_id", "provider", "priority", Lower("name"), "pk"
    )
    first = list(ordered[: MOST_SHOWN + 1])
    context = {
        "title": "Provider credentials",
        "wanted": wanted,
        "groups": [
            (project, [row_of(each) for each in group])
            for project, group in groupby(first[:MOST_SHOWN], lambda each: each.project)
        ],
        "has_more": len(first) > MOST_SHOWN,
        "most": MOST_SHOWN,
        "add_url": reverse("console:provider_credential_new") if may_add(request) else "",
        "resolve_url": reverse("console:provider_credential_resolve"),
    }
    return page(tenant_site, request, "gateway/credentials/list.html", context)


@tenant_site.page(
    "provider-credentials/new/", name="provider_credential_new", title="Add a credential", permission=None
)
def choose_provider(request: HttpRequest) -> HttpResponse:
    """Show the providers."""
    demand_adding(request)
    choices = [
        {
            "label": provider.label,
            "icon": icon,
            "text": text,
            "url": reverse("console:provider_credential_add", args=[provider.value]),
        }
        for provider, (icon, text) in _PROVIDERS.items()
    ]
    context = {
        "title": "Add a credential",
        "breadcrumbs": crumbs(),
        "choices": choices,
        "back_url": reverse("console:provider_credentials"),
    }
    return page(tenant_site, request, "gateway/credentials/providers.html", context)


@tenant_site.page(
    "provider-credentials/new/<slug:provider>/",
    name="provider_credential_add",
    title="Add a credential",
    permission=None,
)
def add_credential(request: HttpRequest, provider: str) -> HttpResponse:
    """Ask what the provider and the kind want to be told; on POST add the credential.

    Raises:
        Http404: there is no such provider or kind.
    """
    kind = request.GET.get("kind", CredentialKind.API_KEY)
    if provider not in Provider.values or not is_offered(provider, kind):
        raise Http404("There is no such provider or kind of credential.")
    demand_adding(request)
    data = request.POST if request.method == "POST" else None
    needs_project = not can(request, P.PROVIDER_CREDENTIALS_MANAGE)
    form = CredentialForm(data, provider=provider, kind=kind, needs_project=needs_project)
    if form.is_bound and form.is_valid():
        named, actor = form.cleaned_data["project"], actor_of(request)
        try:
            made = create_provider_credential(
                organization=organization_of(request),
                project=project_named(actor, named, P.PROVIDER_CREDENTIALS_MANAGE) if named else None,
                provider=provider,
                kind=kind,
                secret=form.cleaned_data["secret"],
                actor=actor,
                **form.values(),
            )
        except DomainError as error:
            form.refuse(error)
        else:
            messages.success(request, f"The credential {made} was added. Test it to see that the provider takes it.")
            return HttpResponseRedirect(url_of(made))
    context = {
        "title": Provider(provider).label,
        "breadcrumbs": [*crumbs(), {"title": "Add a credential", "url": reverse("console:provider_credential_new")}],
        "kinds": [
            (value, label, value == kind) for value, label in CredentialKind.choices if is_offered(provider, value)
        ],
        "about": _KINDS[CredentialKind(kind)],
        "back_url": reverse("console:provider_credential_new"),
    }
    return page(tenant_site, request, "gateway/credentials/form.html", context, form=form)


@tenant_site.page(
    "provider-credentials/<uuid:pk>/", name="provider_credential", title="Provider credential", permission=None
)
def show_credential(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Show how a credential stands, what it was told, and the buttons."""
    credential = found(request, pk)
    verbs = ("change", "rotate", "put_back", "forget", "test", "enable", "disable", "delete")
    reads_log = authority_of(request).allows_somewhere(P.AUDIT_LOG_READ)
    context = {
        "title": credential.name,
        "breadcrumbs": crumbs(),
        "credential": credential,
        "row": row_of(credential),
        "accepted": credential.test_outcome == ACCEPTED,
        "settings": settings_of(credential),
        "may_manage": can(request, P.PROVIDER_CREDENTIALS_MANAGE, credential),
        "urls": {verb: url_of(credential, f"_{verb}") for verb in verbs},
        "history_url": reverse("console:audit_timeline", args=[credential.pk]) if reads_log else "",
    }
    return page(tenant_site, request, "gateway/credentials/credential.html", context)


@tenant_site.page(
    "provider-credentials/<uuid:pk>/change/",
    name="provider_credential_change",
    title="Change a credential",
    permission=None,
)
def change_credential(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Show a credential's settings; on POST change them."""
    credential = managed(request, pk)
    data = request.POST if request.method == "POST" else None
    form = CredentialForm(data, provider=credential.provider, kind=credential.kind, credential=credential)
    if form.is_bound and form.is_valid():
        secret = form.cleaned_data["secret"] or None
        try:
            update_provider_credential(credential=credential, actor=actor_of(request), secret=secret, **form.values())
        except DomainError as error:
            form.refuse(error)
        else:
            messages.success(request, "The credential was changed. Requests follow within a second.")
            return HttpResponseRedirect(url_of(credential))
    context = {"title": "Change", **_about(credential)}
    return page(tenant_site, request, "gateway/credentials/form.html", context, form=form)


@tenant_site.page(
    "provider-credentials/<uuid:pk>/rotate/",
    name="provider_credential_rotate",
    title="Rotate a credential",
    permission=None,
)
def rotate_credential(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Ask for the new secret; on POST let requests use it."""
    credential = managed(request, pk)
    form = RotationForm(request.POST if request.method == "POST" else None, credential=credential)
    if form.is_bound and form.is_valid():
        told = form.cleaned_data
        try:
            rotate_provider_credential(
                credential=credential,
                secret=told["secret"],
                overlap=timedelta(seconds=int(told["overlap"])),
                actor=actor_of(request),
            )
        except DomainError as error:
            form.refuse(error)
        else:
            messages.success(request, "Requests use the new secret. Test it, then end the former one at the provider.")
            return HttpResponseRedirect(url_of(credential))
    context = {"title": "Rotate", **_about(credential)}
    return page(tenant_site, request, "gateway/credentials/rotate.html", context, form=form)


@tenant_site.page(
    "provider-credentials/resolve/",
    name="provider_credential_resolve",
    title="Which credential is used?",
    permission=None,
)
def show_resolution(request: HttpRequest) -> HttpResponse:
    """Show which credentials the requests of a project are tried with, and why others are not."""
    demand_sight(request)
    actor = actor_of(request)
    form = ResolutionForm(request.GET if "project" in request.GET else None)
    resolution = None
    if form.is_bound and form.is_valid():
        told = form.cleaned_data
        try:
            project = project_named(actor, told["project"], P.PROVIDER_CREDENTIALS_READ)
        except DomainError as refusal:
            add_refusal(form, refusal)
        else:
            resolution = resolution_of(
                project=project, provider=told["provider"], model=told["model"].strip(), actor=actor
            )
    context = {
        "title": "Which credential is used?",
        "breadcrumbs": crumbs(),
        "resolution": resolution,
        "steps": [(step, url_of(step.credential)) for step in resolution.steps] if resolution else [],
        "has_projects": projects_of(actor, P.PROVIDER_CREDENTIALS_READ).rows.exists(),
        "form": form,
    }
    return tenant_site.render(request, "gateway/credentials/resolve.html", context)


def _about(credential: Any) -> dict[str, Any]:
    return {
        "subtitle": credential.name,
        "breadcrumbs": crumbs(credential),
        "credential": credential,
        "back_url": url_of(credential),
    }
