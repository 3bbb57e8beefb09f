"""The query language: what is written is what is read, and nothing that is typed does more than say what is wrong."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.query import LONGEST, Query, QueryError, Term, Value, conditions_of, parse
from audit.query.qualifiers import QUALIFIERS, names
from audit.query.times import ALLOWED, Span, span_of, written

NAMES = names(across=True)
NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
PROJECT = uuid4()


class Known:
    """One project, one organization."""

    def __init__(self, *, across: bool = False) -> None:
        self.across = across

    def projects(self, text: str, *, prefix: bool) -> list[UUID]:
        return [PROJECT] if text.lower() == "chatbot" or (prefix and "chatbot".startswith(text)) else []

    def organization(self, text: str) -> UUID | None:
        return uuid4() if text == "acme" else None

    def types(self) -> tuple[str, ...]:
        return ("API key", "member")


texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=12)
values = st.builds(Value, texts, st.booleans())
terms = st.one_of(
    st.builds(Term, st.sampled_from(NAMES), st.lists(values, min_size=1, max_size=3).map(tuple), st.booleans()),
    st.builds(Term, st.just(""), st.tuples(values), st.booleans()),
)
queries = st.lists(terms, max_size=4).map(tuple).map(Query).filter(lambda query: len(str(query)) <= LONGEST)
pieces = st.sampled_from(
    [*NAMES, ":", ",", "-", "*", '"', "\\", "..", ">", "<=", " ", "7d", "2026-01", "denied", "::1/64"]
)


@given(queries)
def test_what_is_written_is_what_is_read(query: Query) -> None:
    assert parse(str(query), NAMES) == query


@given(st.one_of(st.text(max_size=60), st.lists(pieces, max_size=14).map("".join)), st.booleans())
def test_nothing_that_is_typed_raises_anything_else(text: str, across: bool) -> None:
    try:
        conditions_of(parse(text, NAMES), Known(across=across), NOW)
    except QueryError as error:
        assert 0 <= error.position <= len(text)  # noqa: PT017 - where it is, if there is one


@pytest.mark.parametrize(
    ("text", "position", "says"),
    [
        ("outcom:denied", 0, "There is no qualifier “outcom”"),
        ("http://example.org", 0, "put them in quotes"),
        ("ada outcome:", 12, "Write a value after outcome:"),
        ("ada outcome: denied", 12, "Write a value after outcome:"),
        ("actor:*", 6, "before the *"),
        ('ada "open', 4, "never closed"),
        ('actor:"a"b', 9, "Put a space"),
        ("actor:a*b", 8, "Put a space"),
        ("outcome:denied,maybe", 15, "There are success, denied, failed"),
        ("via:door", 4, "There are api, cli, console"),
        ("action:api_key", 7, "api_key.*"),
        ("action:member.addded", 7, "Did you mean member.added?"),
        ("action:zzz.*", 7, "There is no such action"),
        ("project:nowhere", 8, "There is no such project"),
        ("ip:300.1.1.1", 3, "This is no address"),
        ("ip:10.0.0.0/99", 3, "This is no address"),
        ("ip:fe80::1%eth0", 3, "This is no address"),
        ("ip:10.*", 3, "This is no address"),
        ("request:abc*", 8, "Write all of it"),
        ("time:soon", 5, ALLOWED),
        ("time:2026-13", 5, ALLOWED),
        ("time:2026-02-30", 5, ALLOWED),
        ("time:..", 5, ALLOWED),
        ("time:9999-12-31", 5, ALLOWED),
        ("time:0001-01-01T00:00+14:00", 5, ALLOWED),
        ("time:2026-02-01..2026-01-01", 5, "ends before it begins"),
        ("time:2026-01 time:2026-02", 0, "nothing in common"),
        ("time:2026-01,2026-02", 13, "one range"),
        ("-time:7d", 0, "cannot be left out"),
        ("organization:globex", 13, "There is no such organization"),
        ("a\x00", 1, "in no event"),
        ("a" * (LONGEST + 1), LONGEST, "500 characters"),
        ("a " * 21, 40, "20 conditions"),
        ("outcome:" + "denied," * 20 + "denied", 148, "20 values"),
    ],
)
def test_errors_say_where_and_what_is_allowed(text: str, position: int, says: str) -> None:
    with pytest.raises(QueryError) as caught:
        conditions_of(parse(text, NAMES), Known(), NOW)
    assert caught.value.position == position
    assert says in str(caught.value)


def test_a_tenant_has_no_qualifier_of_operators() -> None:
    with pytest.raises(QueryError, match="There is no qualifier “organization”"):
        parse("organization:acme", names(across=False))


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("2026-01-31", "2026-01-31", "2026-02-01"),
        ("2026-12", "2026-12-01", "2027-01-01"),
        ("2026-01-01..2026-01-31", "2026-01-01", "2026-02-01"),
        ("2026-01..", "2026-01-01", None),
        ("..2026-01", None, "2026-02-01"),
        (">2026-01-01", "2026-01-02", None),
        (">=2026-01-01", "2026-01-01", None),
        ("<2026-01-01", None, "2026-01-01"),
        ("<=2026-01-01", None, "2026-01-02"),
        ("2026-01-01T10:00", "2026-01-01T10:00", "2026-01-01T10:01"),
        ("2026-01-01T10:00:05", "2026-01-01T10:00:05", "2026-01-01T10:00:06"),
        ("2026-01-01T10:00+02:00", "2026-01-01T08:00", "2026-01-01T08:01"),
        ("2026-01-01T10:00Z", "2026-01-01T10:00", "2026-01-01T10:01"),
        ("today", "2026-03-10", "2026-03-11"),
        ("yesterday", "2026-03-09", "2026-03-10"),
        ("24h", "2026-03-09T12:30", None),
        ("7D", "2026-03-03T12:30", None),
        ("2w", "2026-02-24T12:30", None),
        ("<7d", None, "2026-03-03T12:30"),
        ("30d..7d", "2026-02-08T12:30", "2026-03-03T12:30"),
    ],
)
def test_times(text: str, since: str | None, until: str | None) -> None:
    def moment(word: str | None) -> datetime | None:
        return datetime.fromisoformat(word).replace(tzinfo=UTC) if word else None

    assert span_of(Value(text), NOW) == Span(moment(since), moment(until))


def test_a_range_is_written_as_it_is_read() -> None:
    since, until = NOW, NOW + timedelta(hours=3)
    assert span_of(Value(written(since, until)), NOW) == Span(since, until)


@pytest.mark.parametrize(
    ("text", "limited"),
    [
        ("actor:ada@acme.example", False),
        ("ada", False),
        ("outcome:denied", False),
        ("-outcome:success", False),
        ("project:chatbot", False),
        ("via:api actor:ada*", False),
        ("outcome:success", True),
        ("-outcome:denied", True),
        ("via:api", True),
        ("-actor:ada@acme.example", True),
        ("type:member", True),
        ("via:api time:2020-01", False),
        ("via:api time:>2020-01", False),
        ("time:7d", False),
        ("", False),
    ],
)
def test_what_no_index_answers_is_limited_in_time(text: str, limited: bool) -> None:
    found = conditions_of(parse(text, NAMES), Known(), NOW)
    assert found.limited is limited
    assert not limited or found.span.since == NOW - timedelta(days=90)


def test_across_organizations_only_requests_and_sessions_are_quick_to_find() -> None:
    across = Known(across=True)
    assert conditions_of(parse("actor:ada", NAMES), across, NOW).limited
    assert not conditions_of(parse("request:abc", NAMES), across, NOW).limited
    assert not conditions_of(parse("actor:ada organization:acme", NAMES), across, NOW).limited
    assert not conditions_of(parse("actor:ada", NAMES), across, NOW, spanned=True).limited


def test_every_example_is_a_query() -> None:
    for qualifier in QUALIFIERS.values():
        parse(qualifier.example, NAMES)
