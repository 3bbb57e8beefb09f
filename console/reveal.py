"""The page that shows a new secret: once, in the answer to the POST that made it, and kept nowhere."""

from typing import Any, Protocol

from django.http import HttpRequest, HttpResponse
from django.utils.cache import add_never_cache_headers


class Issued(Protocol):
    """A secret that was just made; its text is in no representation of it."""

    @property
    def secret(self) -> str:
        """The secret."""

    @property
    def public_id(self) -> str:
        """What goes with it as a user name."""


def show_secret(
    site: Any,
    request: HttpRequest,
    issued: Issued,
    *,
    title: str,
    intro: str,
    done_url: str,
    try_url: str = "",
    try_data: str = "",
    try_help: str = "",
    lost: str = "whoever loses it rotates the key",
    id_help: str = "The user name for HTTP Basic authentication; it is no secret.",
) -> HttpResponse:
    """Return the page with the secret; neither the browser nor anything between keeps a copy of it.

    Args:
        site: the console site, which draws the frame.
        request: the POST that made the secret.
        issued: the secret.
        title: what happened.
        intro: whose secret it is, in a sentence.
        done_url: where "Done" leads.
        try_url: the address that the example command calls, on this host unless it names another.
        try_data: the form field that the example posts, as name=value; empty for a GET.
        try_help: what the person fills in, and what the answer means.
        lost: what to do about a lost secret, as the end of a sentence.
        id_help: what the public id is for.
    """
    context = {
        "title": title,
        "intro": intro,
        "issued": issued,
        "done_url": done_url,
        "try_url": request.build_absolute_uri(try_url) if try_url else "",
        "try_data": try_data,
        "try_help": try_help,
        "lost": lost,
        "id_help": id_help,
    }
    response: HttpResponse = site.render(request, "console/secret.html", context)
    add_never_cache_headers(response)
    return response
