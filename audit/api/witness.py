"""Where other logs have their checkpoints cosigned (C2SP tlog-witness): text in, text out, no credential."""

from http import HTTPStatus

from django.core.exceptions import RequestDataTooBig
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from api import limits
from api.problems import Problem
from audit.cosigning.witnessing import LARGEST_BODY, TEXT_TYPE, add_checkpoint
from isolation.context import current_origin
from isolation.scope import settling

PATH = "audit/witness"
"""The submission prefix, below /api/v1/."""


@csrf_exempt
@transaction.non_atomic_requests
def submit(request: HttpRequest) -> HttpResponse:
    """Answer ``add-checkpoint``: who asks is known by the signature of their checkpoint."""
    if request.method != "POST":
        return HttpResponse("Send it by POST.\n", TEXT_TYPE, HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "POST"})
    try:
        standings = limits.count([limits.quota_of_address(current_origin().ip)])
        limits.refuse_above(standings)
    except Problem as problem:
        return problem.response()
    try:
        body = request.body
    except RequestDataTooBig:
        body = None
    if body is None or len(body) > LARGEST_BODY:
        return HttpResponse("That is too much.\n", TEXT_TYPE, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    with settling():
        answer = add_checkpoint(body)
    response = HttpResponse(answer.text, answer.media_type, answer.status)
    response["Cache-Control"] = "no-store"
    return response
