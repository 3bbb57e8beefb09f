"""Buttons on rows, pages and lists: each re-reads its row through the scope, asks for a permission and wants a POST.

unfold runs an action on a plain GET and hands it the primary key from the URL unread; these decorators close both.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django import forms
from django.contrib import messages
from django.db import router, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.text import capfirst
from unfold.enums import ActionVariant

from isolation.exceptions import DomainError

from .confirm import BulkForm, ConfirmForm, add_refusal, show_confirmation

BULK_LIMIT = 500
"""Rows one bulk action may touch: each is checked and written on its own."""

NAMED = 12
"""Rows that the page before a bulk action names."""


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """What a decorated action declared.

    Attributes:
        permission: the permission it needs on its object.
        kind: "object", "list" or "bulk".
        when: whether the action makes sense for a row.
    """

    permission: str
    kind: str
    when: Callable[[Any], bool] | None = None


def spec_of(function: Any) -> ActionSpec | None:
    """Return what a console action declared, or None when it is not one."""
    return getattr(function, "console_action", None)


def object_action(
    *,
    permission: str,
    description: str,
    confirm: str = "",
    url_path: str | None = None,
    icon: str | None = None,
    danger: bool = False,
    form: type[forms.Form] | Callable[[Any, HttpRequest, Any], type[forms.Form]] | None = None,
    typed: Callable[[Any], str] | None = None,
    when: Callable[[Any], bool] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make ``method(self, request, obj, data)`` an action for `actions_detail` and `actions_row`.

    A GET shows a confirmation page; the POST runs the method in a transaction. A `DomainError` is shown on that page.

    Args:
        permission: needed on the row.
        description: the button's text.
        confirm: what will happen, in a sentence, for the confirmation page.
        url_path: the last part of the URL; the method's name by default.
        icon: a Material Symbol.
        danger: paint it red.
        form: questions to ask on the confirmation page, a form class or ``function(admin, request, obj)`` that
            returns one; `data` is its `cleaned_data`, otherwise an empty dict.
        typed: returns the text a person must type to confirm, usually the row's name.
        when: whether the action makes sense for a row; otherwise the button is absent and the URL refuses.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def view(self: Any, request: HttpRequest, object_id: str) -> HttpResponse:
            obj = self.get_object_or_404(request, object_id)
            self.insist(request, permission, obj)
            if when is not None and not when(obj):
                messages.error(request, f"“{obj}” has changed since: {description.lower()} is not possible any more.")
                return HttpResponseRedirect(self.after_action_url(request, obj))
            questions = form(self, request, obj) if form is not None and not isinstance(form, type) else form
            page_form = ConfirmForm.build(request, base=questions, phrase=typed(obj) if typed else "")
            if request.method == "POST" and page_form.is_valid():
                try:
                    with transaction.atomic(using=router.db_for_write(self.model)):
                        response = function(self, request, obj, page_form.answers())
                except DomainError as refusal:
                    add_refusal(page_form, refusal)
                else:
                    if isinstance(response, HttpResponse):
                        return response
                    return HttpResponseRedirect(self.after_action_url(request, obj))
            return show_confirmation(
                self.admin_site,
                request,
                title=description,
                message=confirm,
                form=page_form,
                danger=danger,
                opts=self.opts,
                obj=obj,
                submit=description,
                cancel_url=self.after_action_url(request, obj),
            )

        return _dressed(view, description, url_path, icon, ActionSpec(permission, "object", when), danger=danger)

    return decorate


def list_action(
    *, permission: str, description: str, url_path: str | None = None, icon: str | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make ``method(self, request)`` a button above the list (`actions_list`) that opens a page.

    The method answers GET and POST itself, so it must change nothing on GET.

    Args:
        permission: needed in the organization.
        description: the button's text.
        url_path: the last part of the URL; the method's name by default.
        icon: a Material Symbol.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def view(self: Any, request: HttpRequest) -> HttpResponse:
            self.insist(request, permission)
            request.current_app = self.admin_site.name
            response: HttpResponse = function(self, request)
            return response

        dressed = _dressed(view, description, url_path, icon, ActionSpec(permission, "list"), danger=False)
        dressed.variant = ActionVariant.PRIMARY  # type: ignore[attr-defined]  # where other lists have "New …"
        return dressed

    return decorate


def bulk_action(
    *,
    permission: str,
    description: str,
    confirm: str = "",
    form: type[forms.Form] | None = None,
    danger: bool = False,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make ``method(self, request, rows)`` an action of `actions`: the permission is asked for each selected row.

    All or nothing: one refused row, or a `DomainError`, and nothing is saved.

    Args:
        permission: needed on every row.
        description: the text in the action menu.
        confirm: what will happen, in a sentence; with it a page asks first, and the method is
            ``method(self, request, rows, data)``.
        form: questions to ask on that page; `data` is its `cleaned_data`.
        danger: paint that page's button red.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def run(self: Any, request: HttpRequest, queryset: Any) -> HttpResponse | None:
            rows: Sequence[Any] = list(queryset[: BULK_LIMIT + 1])
            if len(rows) > BULK_LIMIT:
                messages.error(request, f"Select at most {BULK_LIMIT} rows at a time. Nothing was changed.")
                return None
            for row in rows:
                self.insist(request, permission, row)
            page_form = BulkForm.about(request, rows, base=form) if confirm else None
            if page_form is None or page_form.is_valid():
                try:
                    with transaction.atomic(using=router.db_for_write(self.model)):
                        answers = [page_form.answers()] if page_form is not None else []
                        response: HttpResponse | None = function(self, request, rows, *answers)
                except DomainError as refusal:
                    if page_form is None:
                        messages.error(request, f"{refusal.message} Nothing was changed.")
                        return None
                    add_refusal(page_form, refusal)
                else:
                    return response
            return show_confirmation(
                self.admin_site,
                request,
                title=description,
                message=confirm,
                consequences=named(rows),
                form=page_form,
                danger=danger,
                opts=self.opts,
                submit=description,
                cancel_url=request.get_full_path(),
            )

        return _dressed(run, description, None, None, ActionSpec(permission, "bulk"), danger=False)

    return decorate


def named(rows: Sequence[Any]) -> list[str]:
    """Return the first rows' names, and how many more there are."""
    names = [str(row) for row in rows[:NAMED]]
    return [*names, f"and {len(rows) - NAMED} more"] if len(rows) > NAMED else names


def _dressed(
    function: Any, description: str, url_path: str | None, icon: str | None, spec: ActionSpec, *, danger: bool
) -> Callable[..., Any]:
    function.console_action = spec
    function.short_description = capfirst(description)
    function.attrs = {}
    function.icon = icon
    function.variant = ActionVariant.DANGER if danger else ActionVariant.DEFAULT
    if url_path:
        function.url_path = url_path
    dressed: Callable[..., Any] = function
    return dressed
