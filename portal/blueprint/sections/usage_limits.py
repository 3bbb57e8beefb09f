"""Limits of LLM usage."""

import re
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from accounts.models import ApiKey, ServiceAccount
from gateway.models import LimitMetric, LimitSubject, LimitWindow, UsageLimit
from gateway.services.usage_limits import create_usage_limit, delete_usage_limit, update_usage_limit
from isolation.exceptions import DomainError
from portal.blueprint.changes import Row, Section
from portal.blueprint.document import Item, Key
from tenants.models import Membership, Project

EACH = {"project": LimitSubject.PROJECT, "key": LimitSubject.API_KEY, "user": LimitSubject.ACTOR}
EACH |= {"model": LimitSubject.MODEL}
METRICS = {"requests": LimitMetric.REQUESTS, "tokens": LimitMetric.TOKENS, "dollars": LimitMetric.COST}
_WORDS = {metric: word for word, metric in METRICS.items()}
AT_ONCE = "requests at the same time"
WHOSE = r"organization|each (?:project|key|user|model)|(?:project|key|user|service account|model) \S.*"
WHAT = rf"(?:requests|tokens) per (?:minute|day|month)|dollars per (?:day|month)|{AT_ONCE}"
PATTERN = rf"^(?:{WHOSE}): (?:{WHAT})$"
_NAMED = re.compile(r"(project|key|user|service account|model) (.*)")


class UsageLimits(Section):
    """Limits by whose use they count and what, such as “project chatbot: dollars per month”."""

    table: ClassVar[str] = "usage_limits"
    noun: ClassVar[str] = "usage limit"
    section: ClassVar[str] = "usage_limits"

    def current(self) -> dict[Key, Row]:
        found: dict[Key, Row] = {}
        for limit in UsageLimit.objects.order_by("created_at"):
            # What counts for somebody who is gone counts nobody, and no file could name them.
            if whose := _whose(limit):
                found[f"{whose}: {_what(limit)}"] = Row({"amount": limit.amount, "active": limit.is_enabled}, limit)
        return found

    def match(self, key: Key) -> Key:
        whose, what = parts(str(key))
        noun = named(whose)[0]
        return f"{whose.lower() if noun in {'user', 'service account'} else whose}: {what}"

    def create(self, key: Key, item: Item) -> Any:
        whose, what = parts(str(key))
        metric, window = measure(what)
        kind, subject = self._subject(whose)
        return create_usage_limit(
            organization=self.stage.organization,
            subject_kind=kind,
            subject=subject,
            metric=metric,
            window=window,
            amount=item.values["amount"],
            is_enabled=item.values.get("active", True),
            actor=self.stage.actor,
        )

    def update(self, row: Row, values: dict[str, Any], item: Item) -> Any:
        return update_usage_limit(
            limit=row.stored, amount=values["amount"], is_enabled=values["active"], actor=self.stage.actor
        )

    def remove(self, row: Row) -> Any:
        return delete_usage_limit(limit=row.stored, actor=self.stage.actor)

    def _subject(self, whose: str) -> tuple[str, str]:
        stage = self.stage
        noun, name = named(whose)
        finders: dict[str, tuple[LimitSubject, Callable[[], Any]]] = {
            "organization": (LimitSubject.ORGANIZATION, lambda: ""),
            "project": (LimitSubject.PROJECT, lambda: stage.project(name).pk),
            "user": (LimitSubject.ACTOR, lambda: stage.membership(name.lower()).user_id),
            "service account": (LimitSubject.ACTOR, lambda: stage.service_account(name).pk),
            "key": (LimitSubject.API_KEY, lambda: _key(name).pk),
            "model": (LimitSubject.MODEL, lambda: name),
        }
        if noun == "each":
            return EACH[name], ""
        kind, find = finders[noun]
        return kind, str(find())


def parts(key: str) -> tuple[str, str]:
    """Return whose use a key names, and what."""
    whose, _, what = key.strip().rpartition(": ")
    return whose.strip(), what


def named(whose: str) -> tuple[str, str]:
    """Return the noun and the name of whose use is counted."""
    if found := _NAMED.fullmatch(whose):
        return found[1], found[2].strip()
    noun, _, name = whose.partition(" ")
    return noun, name


def measure(what: str) -> tuple[str, str]:
    """Return the metric and the window."""
    if what == AT_ONCE:
        return LimitMetric.CONCURRENCY, LimitWindow.NONE
    word, _, window = what.partition(" per ")
    return METRICS[word], window


def _what(limit: UsageLimit) -> str:
    if limit.metric == LimitMetric.CONCURRENCY:
        return AT_ONCE
    return f"{_WORDS[LimitMetric(limit.metric)]} per {limit.window}"


def _key(public_id: str) -> ApiKey:
    key: ApiKey | None = ApiKey.objects.filter(public_id=public_id).first()
    if key is None:
        raise DomainError(f"There is no key {public_id} here.", field="usage_limits", code="invalid")
    return key


def _whose(limit: UsageLimit) -> str:
    """Return whose use a limit counts as a file writes it, "" when that is gone."""
    if limit.subject_kind == LimitSubject.ORGANIZATION:
        return "organization"
    if not limit.subject:
        return next(f"each {word}" for word, each in EACH.items() if each == limit.subject_kind)
    if limit.subject_kind == LimitSubject.MODEL:
        return f"model {limit.subject}"
    for noun, names in _names(limit):
        if name := names.first():
            return f"{noun} {name}"
    return ""


def _names(limit: UsageLimit) -> Iterator[tuple[str, Any]]:
    """Yield what a subject can be, with a query for its name."""
    subject = limit.subject
    if limit.subject_kind == LimitSubject.PROJECT:
        yield "project", Project.objects.filter(pk=subject).values_list("slug", flat=True)
    elif limit.subject_kind == LimitSubject.API_KEY:
        yield "key", ApiKey.objects.filter(pk=subject).values_list("public_id", flat=True)
    else:
        yield "user", Membership.objects.filter(user_id=subject).values_list("user__email", flat=True)
        yield "service account", ServiceAccount.objects.filter(pk=subject).values_list("name", flat=True)
