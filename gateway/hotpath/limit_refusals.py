"""Why a limit refuses a request, and when to come again."""

import math
from http import HTTPStatus

from gateway.pricing import PER

from .leases import Need
from .problems import Headers, Refused

_WINDOWS = {"minute": 60, "day": 86_400}
_WHOSE = {
    "organization": "the organization",
    "project": "this project",
    "api_key": "this key",
    "actor": "this user or service account",
    "model": "this model",
}


def no_room(need: Need, now: float) -> Refused:
    """Return the refusal of a request for which a limit has no room, at the monotonic second `now`."""
    limit, lease = need.limit, need.lease
    metric, window, amount = limit["metric"], limit["window"], limit["amount"]
    wait = max(1, math.ceil(lease.ends - now))
    left = max(0, min(lease.left + need.whole - need.need, amount))
    whose = _WHOSE[limit["subject_kind"]]
    if metric == "concurrency":
        status, code = HTTPStatus.TOO_MANY_REQUESTS, "concurrency_exceeded"
        happened = f"As many requests of {whose} are running as are allowed at the same time ({amount:,})."
        advice = "Try again when one of them has ended"
    else:
        status, code = HTTPStatus.PAYMENT_REQUIRED, "budget_exceeded"
        if window == "minute":
            status, code = HTTPStatus.TOO_MANY_REQUESTS, "rate_limited"
        allowed, rest, asked = (_amount(metric, number) for number in (amount, left, need.whole))
        happened = f"Of the {allowed} that {whose} may use in a {window} {rest} are left; this request needs {asked}."
        advice = f"Try again in {wait} s, when the next {window} begins" + (" (UTC)" if window != "minute" else "")
    policy = b'"%b";q=%d' % (metric.encode(), amount)
    if window in _WINDOWS:
        policy += b";w=%d" % _WINDOWS[window]
    headers: Headers = [
        (b"retry-after", b"%d" % wait),
        (b"ratelimit-policy", policy),
        (b"ratelimit", b'"%b";r=%d;t=%d' % (metric.encode(), left, wait)),
    ]
    detail = f"{happened} {advice}, or ask who manages the usage limits of the organization to raise this one."
    return Refused(status, code, detail, headers=headers, limit=limit["id"])


def counters_unavailable() -> Refused:
    """Return the refusal while nobody can count, where the organization wants to be refused then."""
    return Refused(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "counters_unavailable",
        "Limits apply to this request, and they cannot be counted at this moment. Try again in a second; the "
        "organization can choose to let requests through meanwhile.",
        headers=[(b"retry-after", b"1")],
    )


def _amount(metric: str, number: int) -> str:
    if metric == "cost":
        return f"${number // PER:,}.{number % PER:06}"
    return f"{number:,} {metric}"
