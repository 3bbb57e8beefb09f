"""Scopes that usually go together, under one name (no models)."""

from dataclasses import dataclass

from tenants.permissions import P


@dataclass(frozen=True, slots=True)
class ScopePreset:
    """A set of scopes for one purpose.

    Attributes:
        name: what scripts write.
        label: what people read.
        help: a sentence: what a key with it is for.
        scopes: the permissions.
        for_projects: whether a key of a project can have them.
    """

    name: str
    label: str
    help: str
    scopes: tuple[P, ...]
    for_projects: bool = True


_PRESETS = (
    ScopePreset(
        "ingest",
        "Send data",
        "For an application that sends its traces and scores.",
        (P.TRACES_WRITE, P.SCORES_WRITE),
    ),
    ScopePreset(
        "read",
        "Read data",
        "For dashboards and reports: every sort of the project's data, nothing changed.",
        (P.TRACES_READ, P.PROMPTS_READ, P.DATASETS_READ, P.SCORES_READ, P.EVALUATIONS_READ, P.DASHBOARDS_READ),
    ),
    ScopePreset(
        "application",
        "Run an application",
        "For an application that reads its prompts and sends traces and scores.",
        (P.PROMPTS_READ, P.TRACES_WRITE, P.SCORES_WRITE),
    ),
    ScopePreset(
        "evaluate",
        "Evaluate",
        "For an evaluator: reads traces, prompts and datasets, writes evaluations and scores.",
        (
            P.TRACES_READ,
            P.PROMPTS_READ,
            P.DATASETS_READ,
            P.DATASETS_WRITE,
            P.EVALUATIONS_READ,
            P.EVALUATIONS_WRITE,
            P.SCORES_READ,
            P.SCORES_WRITE,
        ),
    ),
    ScopePreset(
        "introspect",
        "Verify keys",
        "For a service that verifies the keys which are shown to it.",
        (P.API_KEYS_INTROSPECT,),
    ),
    ScopePreset(
        "audit",
        "Read the audit log",
        "For a SIEM or an auditor: reads and exports the log.",
        (P.AUDIT_LOG_READ, P.AUDIT_LOG_EXPORT),
    ),
    ScopePreset(
        "provision",
        "Provision",
        "For infrastructure as code: projects, members, roles, service accounts and keys of the whole organization.",
        (
            P.ORGANIZATION_READ,
            P.MEMBERS_READ,
            P.MEMBERS_INVITE,
            P.MEMBERS_MANAGE,
            P.GROUPS_READ,
            P.GROUPS_MANAGE,
            P.ROLES_READ,
            P.PROJECTS_CREATE,
            P.PROJECTS_READ,
            P.PROJECTS_MANAGE,
            P.SERVICE_ACCOUNTS_READ,
            P.SERVICE_ACCOUNTS_MANAGE,
            P.API_KEYS_READ,
            P.API_KEYS_ROTATE,
            P.API_KEYS_MANAGE,
        ),
        for_projects=False,
    ),
    ScopePreset(
        "call-models",
        "Call models",
        "For an application that sends LLM requests through the auth proxy.",
        (P.LLM_INVOKE,),
    ),
)
PRESETS: dict[str, ScopePreset] = {preset.name: preset for preset in _PRESETS}
