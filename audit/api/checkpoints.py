"""Sealing by API: the latest checkpoint, and proofs that `gatehouse_verify.py` takes as they are."""

from http import HTTPStatus
from typing import Any

from rest_framework import serializers

from api.operation import Filter, operation
from api.problems import not_found
from api.serializers import Answer
from api.views import OrganizationView
from audit import evidence
from audit.models import Event
from audit.package import edge_texts
from audit.querysets import READ

TAG = "Audit log"

NOTE = (
    "gatehouse/6f1c0c8f-7d5a-4d4c-9a1b-e2f3a4b5c6d7/0f3e0f5c-59f6-4a8b-9f57-1f6a0f0a3c11\n8\n"
    "TL3S7sobp4nZMfe5JZwqtkEL55h2PXI27hP5BesA07k=\ntime 2026-01-05T09:00:01Z\n\n"
    "— gatehouse/6f1c0c8f-7d5a-4d4c-9a1b-e2f3a4b5c6d7/0f3e0f5c-59f6-4a8b-9f57-1f6a0f0a3c11 pkweRppVOPbFe6P7S+Yg…\n"
)
STATEMENT = "gatehouse-audit-key/v1\ngatehouse/6f1c0c8f-7d5a-4d4c-9a1b-e2f3a4b5c6d7\n1\n4vTQFA0h8Nk5vX0h…\n"
ROOT = "TL3S7sobp4nZMfe5JZwqtkEL55h2PXI27hP5BesA07k="


class VerificationAnswer(Answer):
    """How the verification in the background stands."""

    state = serializers.ChoiceField(choices=["verified", "waiting", "late", "failed"])
    number = serializers.IntegerField(allow_null=True, help_text="Of the last event that was verified.")
    verified_at = serializers.DateTimeField(allow_null=True)
    completed_at = serializers.DateTimeField(allow_null=True, help_text="When the whole log was last read to its end.")
    problems = serializers.ListField(child=serializers.CharField())


class CosignedAnswer(Answer):
    """What another installation cosigned of the log."""

    name = serializers.CharField(help_text="The cosigner's.")
    size = serializers.IntegerField(help_text="Of the newest checkpoint that it cosigned; 0: none yet.")
    time = serializers.DateTimeField(allow_null=True, help_text="When it did.")
    note = serializers.CharField(help_text="That checkpoint with its line (C2SP tlog-cosignature): the text to keep.")
    refusal = serializers.CharField(help_text="Why it refuses the log now; empty when it does not.")
    failure = serializers.CharField(help_text="Why it could not be asked the last time; empty when it could.")


class CheckpointAnswer(Answer):
    """The newest checkpoint of the organization's log."""

    origin = serializers.CharField(help_text="Names the installation and the log.")
    size = serializers.IntegerField(help_text="How many events it is about: numbers from 0 on.")
    root = serializers.CharField(help_text="The root of their Merkle tree (RFC 6962), base64.")  # type: ignore[assignment] # DRF has a property of that name
    time = serializers.DateTimeField()
    note = serializers.CharField(help_text="The signed checkpoint (C2SP tlog-checkpoint): the text to keep.")
    edge = serializers.ListField(child=serializers.CharField(), help_text="The right edge of the tree, base64.")
    keys = serializers.ListField(child=serializers.CharField(), help_text="The signed statements of all keys.")
    cosignatures = CosignedAnswer(many=True, help_text="By other installations; empty when none is asked.")
    verification = VerificationAnswer()


class ProofPath(Answer):
    """An audit path."""

    size = serializers.IntegerField(help_text="Of the checkpoint that it leads to.")
    path = serializers.ListField(child=serializers.CharField(), help_text="Hashes, the leaf's sibling first; base64.")


class CheckpointNote(Answer):
    """A checkpoint beside a proof."""

    note = serializers.CharField()
    edge = serializers.ListField(child=serializers.CharField())


class InclusionAnswer(Answer):
    """An event with the proof that it is in the log: a file for `gatehouse_verify.py`."""

    seq = serializers.IntegerField(help_text="The event's number in its log, from 0.")
    hash = serializers.CharField(help_text="The leaf's hash, base64.")
    leaf = serializers.CharField(
        allow_null=True, help_text="What was hashed: canonical JSON, see docs/audit/format.md."
    )
    openings = serializers.DictField(
        child=serializers.ListField(), required=False, help_text="Salt and value of each commitment in the leaf."
    )
    proof = ProofPath()
    checkpoint = CheckpointNote()
    keys = serializers.ListField(child=serializers.CharField())


class ConsistencyAnswer(Answer):
    """The proof that a log begins with an older one: a file for `gatehouse_verify.py`."""

    consistency = serializers.DictField(help_text="The notes `from` and `to`, and the `path`.")
    keys = serializers.ListField(child=serializers.CharField())


class LatestCheckpoint(OrganizationView):
    """The newest checkpoint."""

    tag = TAG

    @operation(
        "getAuditCheckpoint",
        "Return the latest checkpoint of the audit log",
        permission=READ,
        response=CheckpointAnswer,
        example={
            "origin": NOTE.partition("\n")[0],
            "size": 8,
            "root": ROOT,
            "time": "2026-01-05T09:00:01Z",
            "note": NOTE,
            "edge": [ROOT],
            "keys": [STATEMENT],
            "cosignatures": [
                {
                    "name": "witness.example/audit/witness",
                    "size": 8,
                    "time": "2026-01-05T09:01:00Z",
                    "note": NOTE + "— witness.example/audit/witness jWbPPwAAAABkGFDL…\n",
                    "refusal": "",
                    "failure": "",
                }
            ],
            "verification": {
                "state": "verified",
                "number": 7,
                "verified_at": "2026-01-05T09:01:00Z",
                "completed_at": "2026-01-05T09:01:00Z",
                "problems": [],
            },
        },
    )
    def get(self) -> dict[str, Any]:
        """Keep the note elsewhere: it proves what the log was. 404 before anything is sealed."""
        checkpoint = evidence.latest_checkpoint(self.organization.pk)
        if checkpoint is None:
            raise not_found()
        return {
            "origin": checkpoint.origin,
            "size": checkpoint.size,
            "root": checkpoint.root_text,
            "time": checkpoint.time,
            "note": checkpoint.note,
            "edge": edge_texts(bytes(checkpoint.edge), checkpoint.size),
            "keys": [key.statement for key in evidence.signing_keys()],
            "cosignatures": evidence.cosigned(self.organization.pk),
            "verification": evidence.standing(self.organization.pk),
        }


class InclusionProof(OrganizationView):
    """The proof that an event is in the log."""

    tag = TAG

    @operation(
        "proveAuditEvent",
        "Prove that an event is in the audit log",
        permission=READ,
        anywhere=True,
        response=InclusionAnswer,
        filters={
            "event": Filter(serializers.UUIDField(help_text="The event's id."), required=True),
            "size": Filter(
                serializers.IntegerField(min_value=1, help_text="Of the checkpoint; the newest by default.")
            ),
        },
        problems=[HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY],
        example={
            "seq": 7,
            "hash": ROOT,
            "leaf": '{"action":"member.role_changed",…,"v":1,"via":"api"}',
            "openings": {"actor_label": ["k6wZhr64pxNookXqUVlZ4A==", "ada@acme.example"]},
            "proof": {"size": 8, "path": [ROOT]},
            "checkpoint": {"note": NOTE, "edge": [ROOT]},
            "keys": [STATEMENT],
        },
    )
    def get(self) -> dict[str, Any]:
        """Save the answer and give it to `gatehouse_verify.py`. An event is sealed within seconds; before: 409."""
        event = self.find(Event.objects.visible_to(self.actor), pk=self.query["event"])
        return evidence.inclusion(event, size=self.query.get("size"))


class ConsistencyProof(OrganizationView):
    """The proof that the log only grew."""

    tag = TAG

    @operation(
        "proveAuditConsistency",
        "Prove that the audit log only grew since a checkpoint",
        permission=READ,
        response=ConsistencyAnswer,
        filters={
            "from": Filter(
                serializers.IntegerField(min_value=1, help_text="Size of the older checkpoint."), required=True
            ),
            "to": Filter(
                serializers.IntegerField(min_value=1, help_text="Size of the newer one; the newest by default.")
            ),
        },
        problems=[HTTPStatus.UNPROCESSABLE_ENTITY],
        example={"consistency": {"from": NOTE, "to": NOTE, "path": [ROOT]}, "keys": [STATEMENT]},
    )
    def get(self) -> dict[str, Any]:
        """Save the answer and give it to `gatehouse_verify.py`."""
        return evidence.consistency(self.organization.pk, old=self.query["from"], new=self.query.get("to"))
