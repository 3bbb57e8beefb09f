"""Fills what the check remembers with 10,000 projects and prints, as JSON, by how many megabytes the process grew."""

import json
import os
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

from gateway.claims import Claims
from gateway.hotpath.actors import Caller
from gateway.hotpath.asking import Asker
from gateway.hotpath.check import _Verdict
from gateway.hotpath.choosing import Choice
from gateway.hotpath.config import proxy_defaults
from gateway.hotpath.memory import Memory
from gateway.hotpath.places import Place
from gateway.hotpath.proxy_request import ProxyRequest
from gateway.hotpath.tokens import SigningKeys

PROJECTS = 10_000


def place_row(number: int, project_id: str) -> dict[str, Any]:
    """Return one project as the database tells it, with a credential of its own; ten projects in an organization."""
    credential = {
        "id": str(uuid.uuid4()),
        "organization_id": str(uuid.UUID(int=number // 10)),
        "project_id": project_id,
        "name": f"Credential {number}",
        "provider": "openai",
        "kind": "api_key",
        "base_url": "",
        "options": {},
        "allowed_models": ["gpt-4*"],
        "priority": 100,
        "secret": os.urandom(100).hex(),
        "data_key": str(uuid.uuid4()),
        "wrapped": os.urandom(61).hex(),
        "wrapped_by": 1,
    }
    return {
        "organization": f"organization-{number // 10}",
        "suspended": False,
        "project_id": project_id,
        "project": f"project-{number}",
        "environment": "production",
        "closing": False,
        "settings": proxy_defaults(enabled=True),
        "revocations": [],
        "limits": [],
        "credentials": [credential],
    }


def actor_row(number: int, user_id: str) -> dict[str, Any]:
    """Return one member as the database tells it."""
    member = {"source": "membership", "project_id": None, "role": "Member", "role_key": "member", "is_builtin": True}
    return {
        "key": None,
        "type": "user",
        "id": user_id,
        "label": f"member-{number}@example.com",
        "user_id": user_id,
        "service_account_id": None,
        "is_barred": False,
        "organization_networks": [],
        "authority": [member | {"permissions": None, "group_name": ""}],
    }


def megabytes() -> float:
    """Return what this process holds."""
    return float(psutil.Process().memory_info().rss) / 2**20


def main() -> None:
    """Measure."""
    for_ever = time.monotonic() + 1e6
    places: Memory[Place] = Memory(size=PROJECTS, remember=10, remember_unknown=2)
    callers: Memory[Caller] = Memory(size=PROJECTS, remember=10, remember_unknown=2)
    keys = SigningKeys({})
    ids = [(str(uuid.UUID(int=number // 10)), str(uuid.uuid4()), str(uuid.uuid4())) for number in range(PROJECTS)]
    now = int(time.time())
    Place(
        json.loads(json.dumps(place_row(0, ids[0][1]))),
        organization_id=ids[0][0],
        project_id=ids[0][1],
        defaults=proxy_defaults(enabled=True),
    )
    before = megabytes()
    made_places, made_callers = [], []
    for number, (organization_id, project_id, _) in enumerate(ids):
        row = json.loads(json.dumps(place_row(number, project_id)))
        place = Place(
            row, organization_id=organization_id, project_id=project_id, defaults=proxy_defaults(enabled=True)
        )
        places._keep(places.place_of(project_id), place, for_ever)
        made_places.append(place)
    with_places = megabytes()
    for number, (organization_id, project_id, user_id) in enumerate(ids):
        row = json.loads(json.dumps(actor_row(number, user_id)))
        caller = Caller(row, organization_id=organization_id, project_id=project_id, sub=user_id)
        callers._keep(callers.place_of(user_id), caller, for_ever)
        made_callers.append(caller)
    with_callers = megabytes()
    verdicts, checked = {}, {}
    for number, (organization_id, project_id, user_id) in enumerate(ids):
        place, caller = made_places[number], made_callers[number]
        claims = Claims(
            issuer="https://portal.example.com",
            audiences=("gatehouse-llm",),
            subject=user_id,
            issued_at=now,
            not_before=now,
            expires_at=now + 600,
            id=uuid.uuid4().hex,
            actor_type="user",
            organization_id=organization_id,
            project_id=project_id,
            environment="production",
            request_id=uuid.uuid4().hex,
            scope=frozenset({"llm:invoke"}),
            user_id=user_id,
        )
        (credential,) = place.credentials
        request = ProxyRequest("r", organization_id, project_id, "production", "user", user_id, caller.label)
        choice = Choice(credential, "", ("gpt-4*",), "")
        asker = Asker(place, caller, keys, claims=claims)
        fixed = [(b"x-gatehouse-upstream", b"api.openai.com"), (b"content-length", b"0")]
        checked[callers.place_of(f"token {number}")] = claims
        verdicts[callers.place_of(f"words {number}")] = _Verdict(asker, choice, request, fixed, None)
    print(
        json.dumps(
            {
                "projects with credentials": with_places - before,
                "actors": with_callers - with_places,
                "tokens and answers": megabytes() - with_callers,
                "together": megabytes() - before,
            }
        )
    )


if __name__ == "__main__":
    main()
