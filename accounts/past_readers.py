"""Which keys could read an event when it happened; what the log cannot tell is said, not guessed."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Q

from audit.models import Event
from audit.past_readers import PastSource, doubt_about, sources, targets
from audit.readers import MOST, Reader, Readers
from audit.redaction import snapshot
from audit.rewind import Row, Shape, as_row, rewound

from .models import ApiKey

KEY = "API key"
SHAPES = {KEY: Shape(frozenset({"name", "public_id", "scopes"}))}
_ACTIONS = frozenset({"api_key.created", "api_key.updated", "api_key.rotated", "api_key.revoked", "api_key.leaked"})


def keys_that_could(event: Event, permission: str, changes: Sequence[Event]) -> Readers:
    """Return the keys that were accepted when an event happened, and whose scopes allowed to read it (two statements).

    Args:
        event: where and when.
        permission: which.
        changes: what changed since, of `_ACTIONS`, newest first.
    """
    relevant = [change for change in changes if change.project_id in {None, event.project_id}]
    keys = ApiKey.objects.for_organization(event.organization_id)
    related = ("user", "service_account", "project", "organization")
    lasting = Q(expires_at=None) | Q(expires_at__gt=event.time)
    places = Q(project=None) | Q(project_id=event.project_id) if event.project_id else Q(project=None)
    likely = keys.filter(lasting, places, revoked_at=None, scopes__contains=[permission])
    chosen = list(likely.select_related(*related).order_by("name")[: MOST + 1])
    found = {key.pk: key for key in (*chosen, *keys.filter(pk__in=targets(relevant, KEY)).select_related(*related))}
    rows = {(KEY, str(pk)): as_row(snapshot(key), key.project_id) for pk, key in found.items()}
    past = rewound(rows, relevant, SHAPES)
    here = {None, str(event.project_id)} if event.project_id else {None}
    able = [
        row
        for row in past.of(KEY).values()
        if row.get("project_id") in here and permission in row["scopes"] and _is_accepted(row, event.time)
    ]
    named = sorted((_reader(row, permission) for row in able), key=lambda reader: reader.label)
    doubt = doubt_about("What these keys, which are gone since, allowed is not known", past.unknown.values())
    return Readers(tuple(named[:MOST]), len(chosen) > MOST or len(named) > MOST, (doubt,) if doubt else ())


def _is_accepted(row: Row, time: datetime) -> bool:
    ends = row.get("expires_at")
    return "revoked_at" not in row and (ends is None or datetime.fromisoformat(ends) > time)


def _reader(row: Row, permission: str) -> Reader:
    owner = row.get("user") or row.get("service_account")
    limit = f", as far as {owner} might" if owner else ""
    return Reader(f"{row['name']} ({row['public_id']})", KEY, f"its scope {permission}{limit}")


sources.append(PastSource(_ACTIONS, frozenset({ApiKey._meta.db_table}), keys_that_could))
