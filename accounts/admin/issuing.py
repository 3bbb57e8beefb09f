"""How the pages of keys make one: a form makes a single key, whose secret is shown once, in the answer to it."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar
from uuid import UUID

from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from accounts.services.key_rules import IssuedKey
from console import once
from console.options import ScopedModelAdmin
from isolation.exceptions import DomainError

from .common import KEY_SCRIPTS, KEY_STYLE

_ISSUED = "_accounts_issued_key"


class IssuesKeys(ScopedModelAdmin):
    """Mixed into the admins of keys of any table.

    Attributes:
        created_title: the title of the page that shows a new key's secret.
    """

    created_title: ClassVar[str]
    change_form_before_template = "console/includes/once.html"

    class Media:
        css = KEY_STYLE
        js = KEY_SCRIPTS

    def reveal(self, request: HttpRequest, issued: IssuedKey, *, title: str) -> HttpResponse:
        """Return the page with a secret that was just made."""
        raise NotImplementedError

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Show or take the form; one that was sent before makes no second key."""
        self.demand(request, "add")
        made = self._made_before(request) if request.method == "POST" else None
        if made is not None:
            return self._already_made(request, made)
        response: HttpResponse = super().add_view(request, form_url, extra_context)
        return response

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        """Show the form; a new key's carries a token for one key, the others are called by the key's name."""
        if kwargs.get("add"):
            context["once"] = once.token(request, str(self.opts.model_name))
        elif kwargs.get("obj") is not None:
            context["subtitle"] = kwargs["obj"].heading
        response: HttpResponse = super().render_change_form(request, context, **kwargs)
        return response

    def create_once(self, request: HttpRequest, create: Callable[[UUID], IssuedKey]) -> Any:
        """Create the key of a posted form, and remember its secret for this answer.

        Args:
            request: the POST.
            create: makes the key with the id that it is given.

        Returns:
            The key.

        Raises:
            DomainError: it is refused, or the form made its key already.
        """
        key_id = once.row_id(request, str(self.opts.model_name))
        try:
            with transaction.atomic():
                issued = create(key_id)
        except IntegrityError as error:  # the same form, sent twice at the same moment
            raise DomainError(
                "This form was sent twice, and the key was created by the first time.", code="already_made"
            ) from error
        request.__dict__[_ISSUED] = issued
        return issued.key

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """Show the secret, once."""
        return self.reveal(request, request.__dict__.pop(_ISSUED), title=self.created_title)

    def _made_before(self, request: HttpRequest) -> Any:
        try:
            key_id = once.row_id(request, str(self.opts.model_name))
        except DomainError:
            return None  # said at the form
        return self.get_queryset(request).filter(pk=key_id).first()

    def _already_made(self, request: HttpRequest, key: Any) -> HttpResponse:
        rotates = "rotate" in self.actions_detail and key.state == "active"
        rotate = f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_rotate"
        context = {
            "title": "The key was created already",
            "key": key,
            "key_url": self.object_url(key),
            "rotate_url": reverse(rotate, args=[key.pk]) if rotates else "",
        }
        site: Any = self.admin_site
        response: HttpResponse = site.render(request, "accounts/already_made.html", context, status=HTTPStatus.CONFLICT)
        return response
