"""The page that asks "are you sure", with the questions and the typed name that a dangerous step needs."""

from collections.abc import Iterable
from typing import Any, cast

from django import forms
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest, HttpResponse
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from isolation.exceptions import DomainError

TYPED = "typed_confirmation"
CONFIRMED = "bulk_confirmed"

_LOOKS: dict[type[forms.Widget], type[Any]] = {
    forms.TextInput: UnfoldAdminTextInputWidget,
    forms.EmailInput: UnfoldAdminTextInputWidget,
    forms.NumberInput: UnfoldAdminIntegerFieldWidget,
    forms.PasswordInput: UnfoldAdminPasswordWidget,
    forms.Textarea: UnfoldAdminTextareaWidget,
    forms.Select: UnfoldAdminSelectWidget,
    forms.CheckboxInput: UnfoldBooleanSwitchWidget,
}


class ConfirmForm(forms.Form):
    """Asks nothing by itself; `build` adds a page's questions and the typed phrase."""

    phrase = ""

    @classmethod
    def build(cls, request: HttpRequest, *, base: type[forms.Form] | None = None, phrase: str = "") -> "ConfirmForm":
        """Return a form of `base`'s fields, bound on POST, that also wants `phrase` typed when there is one."""
        bases = (cls, base) if base is not None else (cls,)
        form_class = cast("type[ConfirmForm]", type("Confirmation", bases, {"phrase": phrase}))
        form = form_class(request.POST if request.method == "POST" else None)
        for field in form.fields.values():
            dress(field)
        if phrase:
            form.fields[TYPED] = forms.CharField(
                label=f"Type “{phrase}” to confirm",
                widget=UnfoldAdminTextInputWidget({"autocomplete": "off", "spellcheck": "false"}),
            )
        return form

    def clean(self) -> dict[str, Any]:
        """Compare the typed text."""
        cleaned = super().clean() or self.cleaned_data
        if self.phrase and TYPED in self.cleaned_data and self.cleaned_data[TYPED] != self.phrase:
            self.add_error(TYPED, f"That is not “{self.phrase}”. Nothing was changed.")
        return cleaned

    def answers(self) -> dict[str, Any]:
        """Return the answers to the page's own questions."""
        return {name: value for name, value in self.cleaned_data.items() if name != TYPED}


class BulkForm(ConfirmForm):
    """Asks before a bulk action, and carries the rows that it names on to the answer."""

    @classmethod
    def about(cls, request: HttpRequest, rows: Iterable[Any], *, base: type[forms.Form] | None = None) -> "BulkForm":
        """Return a form of `base`'s fields about the rows, bound once it has been answered.

        The rows themselves are carried, also for "select all": nothing is touched that the page has not counted.
        """
        bases = (cls, base) if base is not None else (cls,)
        form_class = cast("type[BulkForm]", type("BulkConfirmation", bases, {}))
        form = form_class(request.POST if CONFIRMED in request.POST else None)
        for field in form.fields.values():
            dress(field)
        carried = {
            "action": request.POST.getlist("action")[:1],
            ACTION_CHECKBOX_NAME: [str(row.pk) for row in rows],
            CONFIRMED: ["yes"],
        }
        for name, values in carried.items():
            form.fields[name] = forms.MultipleChoiceField(
                required=False,
                choices=[(value, value) for value in {*values, *request.POST.getlist(name)}],
                initial=values,
                widget=forms.MultipleHiddenInput,
            )
        return form

    def answers(self) -> dict[str, Any]:
        """Return the answers to the page's own questions."""
        carried = {"action", ACTION_CHECKBOX_NAME, CONFIRMED}
        return {name: value for name, value in super().answers().items() if name not in carried}


def dress(field: forms.Field) -> None:
    """Give a plain form field the console's look."""
    look = _LOOKS.get(type(field.widget))
    if look is None:
        return
    plain = field.widget
    field.widget = look({**plain.attrs})
    field.widget.is_required = field.required
    if isinstance(field, forms.ChoiceField):
        field.widget.choices = field.choices


def add_refusal(form: forms.BaseForm, refusal: DomainError) -> None:
    """Put a domain rule's message on the field it speaks of, or on the form."""
    field = refusal.field if refusal.field in form.fields else None
    form.add_error(field, forms.ValidationError(refusal.message, code=refusal.code))


def show_confirmation(
    site: Any,
    request: HttpRequest,
    *,
    title: str,
    form: forms.BaseForm,
    cancel_url: str,
    message: str = "",
    consequences: Any = (),
    submit: str = "Confirm",
    danger: bool = True,
    opts: Any = None,
    obj: Any = None,
) -> HttpResponse:
    """Return the confirmation page.

    Args:
        site: the console site, which draws the frame.
        request: the running request.
        title: what is about to be done.
        form: the form, usually `ConfirmForm.build(...)`.
        cancel_url: where "Cancel" leads.
        message: what will happen, in a sentence or two.
        consequences: further lines, shown as a list.
        submit: the button's text.
        danger: paint the button red.
        opts: the model's `_meta`, for the breadcrumb.
        obj: the row, for the breadcrumb.
    """
    context = {
        "title": title,
        "subtitle": str(getattr(obj, "heading", obj)) if obj is not None else None,
        "message": message,
        "consequences": consequences,
        "form": form,
        "submit": submit,
        "danger": danger,
        "cancel_url": cancel_url,
        "original": obj,
        "breadcrumb_opts": opts,
    }
    status = 200 if not form.is_bound else 422
    response: HttpResponse = site.render(request, "console/confirm.html", context, status=status)
    return response
