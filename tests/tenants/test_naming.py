"""Naming patterns: what people need is accepted, and no pattern can keep a process busy."""

import time

import pytest

from isolation.exceptions import DomainError
from tenants.services.naming import check_pattern, check_slug

LONG = "a" * 62 + "1"


@pytest.mark.parametrize(
    ("pattern", "slug"),
    [
        ("^[a-z]+-(prod|dev)$", "chatbot-prod"),
        ("^[a-z]+-[a-z0-9]+-(prod|staging|test|dev)$", "acme-chatbot2-staging"),
        (r"client-[a-z0-9\-]+", "client-acme-corp"),
        ("^(acme|client-.+)$", "client-x"),
        ("[a-z]{2,8}-[0-9]{3}", "team-042"),
        ("(?:eu|us)-[a-z]+(-legacy)?", "eu-search-legacy"),
        (r"[a-z(){}*+?|\]]+\.?", "plain"),
        ("", "anything-goes"),
    ],
)
def test_patterns_that_people_need(pattern: str, slug: str) -> None:
    assert check_pattern(pattern, field="pattern") == pattern
    assert check_slug(slug, pattern) == slug


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+",
        "(a|a)*1?",
        "(a|aa)+",
        "(?:a|[a-z])*",
        "(a?){60}a{60}",
        "a?" * 60 + "a" * 60,
        "(a|a)" * 30,
        "a*" * 30 + "2",
        "[a-z]{1,63}" * 8 + "2",
        "(a{1,9}){1,9}",
        r"(a*)\1\1",
        "(?=a*)(?=a*)a*",
        "(?P<x>a*)(?P=x)",
        "(?i:a)*",
        "(a)?(b)*",
    ],
)
def test_a_pattern_that_could_run_wild_is_refused(pattern: str) -> None:
    with pytest.raises(DomainError) as refused:
        check_pattern(pattern, field="pattern")
    assert refused.value.field == "pattern"


@pytest.mark.parametrize(
    "pattern",
    [
        "a*a*a*2",
        "[a-z]*[a-z]*.*(x|y)",
        "a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?2",
        "(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)2",
        ".*.*(a|a|a|a|a|a|a|a)2",
    ],
)
def test_the_worst_accepted_patterns_are_quick(pattern: str) -> None:
    check_pattern(pattern, field="pattern")
    started = time.perf_counter()
    with pytest.raises(DomainError):
        check_slug(LONG, pattern)
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize("slug", ["acme\n", "acme\nb", "", "Acme", "a" * 64, "-a", "a/b", "é"])
def test_what_is_no_identifier(slug: str) -> None:
    with pytest.raises(DomainError) as refused:
        check_slug(slug)
    assert refused.value.field == "slug"
