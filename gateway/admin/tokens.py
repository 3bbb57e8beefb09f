"""Issued tokens: who got which, for what, and ending them."""

from datetime import timedelta
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin import SimpleListFilter
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.admin.common import code
from console.access import actor_of
from console.actions import list_action, object_action
from console.confirm import add_refusal, show_confirmation
from console.keyset import KeysetList
from console.options import TenantModelAdmin
from console.sites import tenant_site
from gateway.forms.tokens import OptionalReasonForm, RevokeManyForm
from gateway.models import ActorType, IssuedToken, RevocationKind
from gateway.services.token_revocations import revoke_token, revoke_tokens
from isolation.exceptions import DomainError
from tenants.admin.common import STYLE, WithHistory, badge, organization_of, two_lines
from tenants.models import Project
from tenants.permissions import P


class TokenStateFilter(SimpleListFilter):
    """Good, expired or revoked."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the choices."""
        return [("valid", "Valid"), ("expired", "Expired"), ("revoked", "Revoked")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the tokens in that state."""
        match self.value():
            case "valid":
                return queryset.filter(revoked_at=None, expires_at__gt=timezone.now())
            case "expired":
                return queryset.filter(revoked_at=None, expires_at__lte=timezone.now())
            case "revoked":
                return queryset.exclude(revoked_at=None)
        return queryset


class TokenProjectFilter(SimpleListFilter):
    """Of one project."""

    title = "project"
    parameter_name = "project"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the organization's projects."""
        return _projects()

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the tokens of the project."""
        known = {key for key, _ in _projects()}
        return queryset.filter(project_id=self.value()) if self.value() in known else queryset


class TokenActorFilter(SimpleListFilter):
    """Of one kind of actor."""

    title = "who"
    parameter_name = "actor_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the kinds."""
        return [(kind.value, str(kind.label)) for kind in ActorType]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the tokens of that kind of actor."""
        return queryset.filter(actor_type=self.value()) if self.value() in ActorType.values else queryset


@admin.register(IssuedToken, site=tenant_site)
class IssuedTokenAdmin(WithHistory, KeysetList, TenantModelAdmin):
    """What was issued in the last month; the tokens themselves are stored nowhere."""

    permissions: ClassVar = {"view": P.LLM_PROXY_READ}
    menu = ("LLM proxy", 25)
    menu_title = "Access tokens"
    icon = "badge"
    description = "See who got tokens for which project and model, and end them before their time."
    empty_title = "No tokens yet"
    empty_text = (
        "Each token that the token endpoint issues stands here for a month. The page LLM auth proxy says where."
    )

    keyset_field = "issued_at"
    list_display = ("who", "project_name", "limited", "state", "lives")
    list_filter = (TokenStateFilter, TokenProjectFilter, TokenActorFilter)
    search_fields = ("^actor_label", "=jti")
    search_help_text = "Search by the beginning of an address or name, or by a token ID"
    fields = readonly_fields = (
        *("state", "who", "actor_text", "key_text", "project_name", "limited", "scope"),
        *("audience", "lives", "jti_text", "kid_text", "trace"),
    )
    actions_detail = ("revoke",)
    actions_list = ("revoke_many",)

    class Media:
        css = STYLE

    def narrow(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the tokens, each with its project's name of now."""
        name = Project.objects.filter(pk=OuterRef("project_id")).values("name")[:1]
        rows: QuerySet[Any] = super().narrow(request, queryset).annotate(project_now=Subquery(name))
        return rows

    # Actions -----------------------------------------------------------------------------------------

    @object_action(
        permission=P.LLM_PROXY_MANAGE,
        description="Revoke",
        confirm="The token is refused within a second. Whoever holds it can get another one, as long as they may.",
        icon="block",
        danger=True,
        form=OptionalReasonForm,
        when=lambda token: token.is_valid,
    )
    def revoke(self, request: HttpRequest, obj: IssuedToken, data: dict[str, Any]) -> None:
        """End the token."""
        revoke_token(token=obj, actor=actor_of(request), reason=data["reason"])
        messages.success(request, "The token was revoked.")

    @list_action(permission=P.LLM_PROXY_MANAGE, description="Revoke several", icon="block")
    def revoke_many(self, request: HttpRequest) -> HttpResponse:
        """Ask whose tokens end, and end them."""
        initial = {name: request.GET[name][:64] for name in ("kind", "subject") if name in request.GET}
        data = request.POST if request.method == "POST" else None
        form = RevokeManyForm(data, projects=_projects(), initial=initial)
        if form.is_bound and form.is_valid():
            kind = RevocationKind(form.cleaned_data["kind"])
            try:
                revoke_tokens(
                    organization=organization_of(request),
                    kind=kind,
                    subject=form.subject_of(),
                    actor=actor_of(request),
                    reason=form.cleaned_data["reason"],
                )
            except DomainError as refusal:
                if refusal.field == "subject" and kind is RevocationKind.PROJECT:
                    refusal = DomainError("Choose the project.", field="project", code=refusal.code)
                add_refusal(form, refusal)
            else:
                messages.success(request, "These tokens are refused from now on. New ones can be had at once.")
                return HttpResponseRedirect(self.list_url(request))
        return show_confirmation(
            self.admin_site,
            request,
            title="Revoke several tokens",
            message="Every token of theirs that was issued up to now is refused within a second. It takes a right away "
            "from nobody: who may still call models gets a new token at once.",
            form=form,
            danger=True,
            opts=self.opts,
            submit="Revoke",
            cancel_url=self.list_url(request),
        )

    # Columns -----------------------------------------------------------------------------------------

    @admin.display(description="Who")
    def who(self, obj: IssuedToken) -> SafeString:
        """Return who it speaks for, and what they are."""
        return two_lines(obj.actor_label, obj.get_actor_type_display())

    @admin.display(description="Project")
    def project_name(self, obj: Any) -> str:
        """Return the project's name of now."""
        return obj.project_now or "Not here any more"

    @admin.display(description="Limited to")
    def limited(self, obj: IssuedToken) -> SafeString:
        """Return the model and provider that it was asked for."""
        provider, model = obj.claims.get("model_provider", ""), obj.claims.get("model_name", "")
        return two_lines(model or "Any model", provider or "any provider")

    @admin.display(description="State")
    def state(self, obj: IssuedToken) -> SafeString:
        """Return whether it is good."""
        if obj.revoked_at is not None:
            return badge("Revoked", "bad")
        return badge("Valid", "good") if obj.is_valid else badge("Expired")

    @admin.display(description="Issued")
    def lives(self, obj: IssuedToken) -> SafeString:
        """Return when it was issued, and when it ends or ended."""
        seconds = (obj.expires_at - obj.issued_at) // timedelta(seconds=1)
        ended = f"revoked at {obj.revoked_at:%H:%M:%S} UTC" if obj.revoked_at else f"for {seconds} seconds"
        return two_lines(f"{obj.issued_at:%-d %B %Y, %H:%M:%S} UTC", ended)

    @admin.display(description="Actor's id")
    def actor_text(self, obj: IssuedToken) -> str:
        """Return the actor's id, by which all of their tokens are revoked."""
        return code(str(obj.actor_id))

    @admin.display(description="Asked for by")
    def key_text(self, obj: IssuedToken) -> str:
        """Return the key's public id."""
        public_id = obj.claims.get("client_id")
        return code(public_id) if public_id else "A session of the console"

    @admin.display(description="Scope")
    def scope(self, obj: IssuedToken) -> str:
        """Return what it allows."""
        return code(obj.claims["scope"])

    @admin.display(description="Audience")
    def audience(self, obj: IssuedToken) -> str:
        """Return whom it is for."""
        audience = obj.claims["aud"]
        return code(audience if isinstance(audience, str) else ", ".join(audience))

    @admin.display(description="Token ID")
    def jti_text(self, obj: IssuedToken) -> str:
        """Return the jti."""
        return code(obj.jti)

    @admin.display(description="Signed by")
    def kid_text(self, obj: IssuedToken) -> str:
        """Return the signing key's ID."""
        return code(obj.kid)

    @admin.display(description="Request id")
    def trace(self, obj: IssuedToken) -> str:
        """Return what the audit log calls the request that it was issued for."""
        return code(obj.claims.get("request_id", ""))


def _projects() -> list[tuple[str, str]]:
    return [(str(pk), name) for pk, name in Project.objects.order_by("name").values_list("pk", "name")]
