"""What a page of the log asks for while it is open: new events, and how a query may go on."""

from http import HTTPStatus

from django.http import HttpRequest, JsonResponse
from django.template.loader import render_to_string

from audit.patience import LIST, TookTooLong, patience
from audit.suggestions import suggestions
from audit.tail import StalePlace, new_since

from .base import LogPages

_NO_STORE = {"Cache-Control": "no-store"}


class LivePages(LogPages):
    """Answers in JSON, under the same permission and scope as the list."""

    follow_every = 4
    """Seconds between two questions."""

    def add_live_pages(self) -> None:
        """Add the addresses to the site."""
        self.site.page("audit/new/", name="audit_new", title="New events", permission=None)(self.send_new)
        self.site.page("audit/suggestions/", name="audit_suggestions", title="Suggestions", permission=None)(
            self.send_suggestions
        )

    def send_new(self, request: HttpRequest) -> JsonResponse:
        """Send the events that pass the filter and were committed since a place.

        Raises:
            MissingPermission: the actor may read no part of the log.
        """
        self.demand(request)
        form = self.filter_form(request)
        if not form.is_valid():
            return _refused("The filter cannot be meant.")
        try:
            with patience(LIST):
                events = form.event_filter().apply(self.visible(request))
                rows, more, place = new_since(request.GET.get("place", ""), events)
        except (StalePlace, TookTooLong):
            return _refused("Load the page again.")
        context = {"events": self.named(rows), "across": self.across}
        request.current_app = self.site.name
        html = render_to_string("audit/includes/rows.html", context, request=request) if rows else ""
        return JsonResponse({"rows": html, "count": len(rows), "more": more, "place": place}, headers=_NO_STORE)

    def send_suggestions(self, request: HttpRequest) -> JsonResponse:
        """Send how the query may go on; names are those that the actor may see.

        Raises:
            MissingPermission: the actor may read no part of the log.
        """
        self.demand(request)
        start, found = suggestions(request.GET.get("typed", ""), self.places(request), self.visible(request))
        options = [{"text": one.text, "label": one.label, "help": one.help} for one in found]
        return JsonResponse({"from": start, "options": options}, headers=_NO_STORE)


def _refused(detail: str) -> JsonResponse:
    return JsonResponse({"detail": detail}, status=HTTPStatus.UNPROCESSABLE_ENTITY, headers=_NO_STORE)
