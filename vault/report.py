"""What still uses which key: the report of ``manage.py rotate_keys --report``."""

from typing import Any

from django.db import connections
from psycopg import sql

from isolation.scope import OPERATOR

from .configuration import KeyringConfiguration, KmsKey, LocalKey, TransitKey
from .fields import EncryptedField
from .keyring import keyring
from .models import DataKey
from .usage import Store, columns, data_keys_by_key, encrypted_fields, other_wraps, peppers, stores

KINDS = {LocalKey: "local", TransitKey: "transit", KmsKey: "kms"}


def report(configuration: KeyringConfiguration) -> dict[str, Any]:
    """Return, as JSON values, which keys are in use; `operator_scope` must be open.

    ``removable`` names the numbers that nothing uses and that are not active: they may leave the keyring.
    """
    ring = keyring()
    data_keys = data_keys_by_key()
    others = other_wraps()
    used_keys = {*data_keys, *(number for counts in others.values() for number in counts)}
    counted = peppers()
    used_peppers = {number for counts in counted.values() for number, count in counts.items() if count}
    return {
        "keys": {
            str(number): {
                "in_keyring": number in ring.key_numbers,
                "kind": KINDS[type(configuration.keys[number])] if number in ring.key_numbers else None,
                "active": number == ring.active_key,
                "data_keys": data_keys.get(number, 0),
                **{name: counts[number] for name, counts in others.items() if number in counts},
            }
            for number in sorted({*ring.key_numbers, *used_keys})
        },
        "data_keys": {
            "active": DataKey.objects.filter(retired_at=None).count(),
            "retired": DataKey.objects.exclude(retired_at=None).count(),
        },
        "columns": {f"{c.model._meta.db_table}.{c.column}": _column(c) for c in encrypted_fields()}
        | {store.name: _store(store) for store in stores()},
        "peppers": {
            str(number): {
                "in_keyring": number in ring.pepper_numbers,
                "active": number == ring.active_pepper,
                "uses": {name: counts.get(number, 0) for name, counts in counted.items()},
            }
            for number in sorted({*ring.pepper_numbers, *used_peppers})
        },
        "removable": {
            "keys": [n for n in ring.key_numbers if n != ring.active_key and n not in used_keys],
            # Without anybody who counts, nothing is known to be unused.
            "peppers": [
                n for n in ring.pepper_numbers if counted and n != ring.active_pepper and n not in used_peppers
            ],
        },
    }


def lines(found: dict[str, Any]) -> list[str]:
    """Return the report for a person."""
    text = []
    for number, key in found["keys"].items():
        state = "active" if key["active"] else "in the keyring" if key["in_keyring"] else "MISSING from the keyring"
        text.append(f"key {number} ({key['kind'] or '?'}, {state}): wraps {key['data_keys']} data keys{_others(key)}")
    data_keys = found["data_keys"]
    text.append(f"data keys: {data_keys['active']} active, {data_keys['retired']} retired")
    text += [
        f"{name}: {counts['current']} under an active data key, {counts['retired']} under a retired one,"
        f" {counts['lost']} under none that is left"
        for name, counts in found["columns"].items()
    ]
    for number, pepper in found["peppers"].items():
        state = "active" if pepper["active"] else "in the keyring" if pepper["in_keyring"] else "MISSING"
        uses = ", ".join(f"{count} {name}" for name, count in pepper["uses"].items()) or "nobody counts its uses"
        text.append(f"pepper {number} ({state}): {uses}")
    for what, numbers in found["removable"].items():
        text.append(f"{what} that may leave the keyring: {', '.join(map(str, numbers)) or 'none'}")
    return text


def _others(key: dict[str, Any]) -> str:
    return "".join(f", {key[name]} {name}" for name in other_wraps() if name in key)


def _column(column: EncryptedField) -> dict[str, int]:
    query = sql.SQL(
        "SELECT count(*) FILTER (WHERE d.id IS NOT NULL AND d.retired_at IS NULL),"
        " count(*) FILTER (WHERE d.retired_at IS NOT NULL), count(*) FILTER (WHERE d.id IS NULL)"
        " FROM (SELECT {organization} AS organization_id, {named} AS data_key FROM {table}"
        " WHERE {column} IS NOT NULL) AS stored"
        " LEFT JOIN vault_datakey d ON d.id = stored.data_key AND d.organization_id = stored.organization_id"
    ).format(**columns(column))
    with connections[OPERATOR].cursor() as cursor:
        cursor.execute(query)
        current, retired, lost = cursor.fetchone()
    return {"current": current, "retired": retired, "lost": lost}


def _store(store: Store) -> dict[str, int]:
    retired = dict(DataKey.objects.filter(organization_id=store.organization_id).values_list("pk", "retired_at"))
    counts = {"current": 0, "retired": 0, "lost": 0}
    for data_key, count in store.data_keys().items():
        state = "lost" if data_key not in retired else "retired" if retired[data_key] else "current"
        counts[state] += count
    return counts
