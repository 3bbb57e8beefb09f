"""Fills in the demo installation: two organizations with people, projects, groups, roles by project, and keys."""

from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.key_format import KeyKind
from accounts.models import User
from accounts.scope_presets import PRESETS
from accounts.services.api_keys import create_api_key, revoke_api_key
from accounts.services.service_accounts import create_service_account, set_service_account_project_role
from accounts.services.users import create_user
from gateway.services.provider_credentials import create_provider_credential
from isolation.actor import Actor
from isolation.context import acting_as
from isolation.exceptions import DomainError
from isolation.scope import tenant_scope
from portal.demo import ACME, GLOBEX, NEWCOMER, OPERATOR, PASSWORD, DemoOrganization
from tenants.access import user_actor
from tenants.lookups import organization_id_of
from tenants.models import Group, Membership, Organization, Project, Role, Source
from tenants.permissions import BuiltinRole, P
from tenants.services.groups import add_group_member, create_group, set_group_role
from tenants.services.invitations import invite_member
from tenants.services.members import add_member, set_project_role
from tenants.services.organizations import create_organization
from tenants.services.projects import create_project
from tenants.services.roles import create_role


def seed(actor: Actor) -> None:
    """Fill in what is missing of the demo; an organization that exists is left as it is.

    Args:
        actor: the system.

    Raises:
        DomainError: this is a production installation.
    """
    if settings.PRODUCTION:
        raise DomainError("Demo logins have a public password: a production installation gets none.", code="production")
    with acting_as(actor):
        _user(*OPERATOR, actor=actor, is_operator=True)
        for demo in (ACME, GLOBEX):
            _seed_organization(demo, actor)


@transaction.atomic
def _seed_organization(demo: DemoOrganization, actor: Actor) -> None:
    people = {role: _user(demo.email(role), name, actor=actor) for role, name in demo.people.items()}
    if organization_id_of(demo.slug) is not None:
        return
    owner = people.pop(BuiltinRole.OWNER)
    organization = create_organization(slug=demo.slug, name=demo.name, owner=owner, actor=actor)
    with tenant_scope(organization):
        for key, user in people.items():
            add_member(organization=organization, user=user, role=_role(key), source=Source.MANUAL, actor=actor)
        for slug, name, environment in demo.projects:
            create_project(organization=organization, slug=slug, name=name, environment=environment, actor=actor)
        if demo is ACME:
            with acting_as(user_actor(owner, organization.pk)) as owning:
                _seed_acme(organization, owning)


def _seed_acme(organization: Organization, actor: Actor) -> None:
    """Show what else there is: a custom role, groups, roles that replace in a project, an open invitation."""
    engineer = create_role(
        organization=organization,
        name="Prompt engineer",
        description="Writes prompts and evaluates them.",
        permissions=[
            P.PROJECTS_READ,
            P.PROMPTS_READ,
            P.PROMPTS_WRITE,
            P.DATASETS_READ,
            P.DATASETS_WRITE,
            P.EVALUATIONS_READ,
            P.EVALUATIONS_WRITE,
            P.SCORES_READ,
            P.TRACES_READ,
        ],
        actor=actor,
    )
    evaluators = _group(organization, "Evaluators", "Judge the quality of answers.", actor)
    add_group_member(group=evaluators, membership=_member(ACME.email(BuiltinRole.NONE)), actor=actor)
    set_group_role(group=evaluators, role=engineer, project=_project("search-eval"), actor=actor)
    on_call = _group(organization, "On call", "Keep the chatbot running.", actor)
    add_group_member(group=on_call, membership=_member(ACME.email(BuiltinRole.MEMBER)), actor=actor)
    set_group_role(group=on_call, role=_role(BuiltinRole.ADMIN), project=_project("chatbot-prod"), actor=actor)
    set_project_role(
        membership=_member(ACME.email(BuiltinRole.VIEWER)),
        project=_project("chatbot-dev"),
        role=_role(BuiltinRole.ADMIN),
        actor=actor,
    )
    set_project_role(
        membership=_member(ACME.email(BuiltinRole.ADMIN)),
        project=_project("search-eval"),
        role=_role(BuiltinRole.NONE),
        actor=actor,
    )
    invite_member(organization=organization, email=NEWCOMER, role=_role(BuiltinRole.MEMBER), actor=actor)
    _seed_keys(organization, actor)
    create_provider_credential(
        organization=organization,
        name="OpenAI",
        provider="openai",
        secret="sk-demo-which-opens-nothing",  # noqa: S106 - demo data, and no real key
        allowed_models=["gpt-4*", "text-embedding-3-*"],
        actor=actor,
    )


def _seed_keys(organization: Organization, actor: Actor) -> None:
    """Make a key of each kind; their secrets are shown to nobody, so that whoever tries the demo rotates one."""
    judge = create_service_account(
        organization=organization,
        name="Nightly judge",
        kind="evaluator",
        role=_role(BuiltinRole.MEMBER),
        description="Scores the answers of the day.",
        actor=actor,
    )
    set_service_account_project_role(
        account=judge, project=_project("chatbot-prod"), role=_role(BuiltinRole.VIEWER), actor=actor
    )
    now = timezone.now()
    make = partial(create_api_key, organization=organization, actor=actor)
    make(
        kind=KeyKind.PROJECT,
        name="Chatbot in production",
        scopes=PRESETS["application"].scopes,
        project=_project("chatbot-prod"),
        expires_at=now + timedelta(days=90),
        allowed_networks=["203.0.113.0/24"],
        note="In the cluster's secret store, chatbot/gatehouse.",
    )
    make(
        kind=KeyKind.PROJECT,
        name="Load test",
        scopes=PRESETS["ingest"].scopes,
        project=_project("chatbot-dev"),
        expires_at=now + timedelta(days=5),
    )
    make(kind=KeyKind.ORGANIZATION, name="Terraform", scopes=PRESETS["provision"].scopes)
    make(
        kind=KeyKind.SERVICE_ACCOUNT,
        name="Judge on the batch cluster",
        scopes=PRESETS["evaluate"].scopes,
        service_account=judge,
        expires_at=now + timedelta(days=365),
    )
    make(kind=KeyKind.PERSONAL, name="Ada's notebook", scopes=PRESETS["read"].scopes, environment="development")
    leaked = make(kind=KeyKind.ORGANIZATION, name="Old pipeline", scopes=[P.API_KEYS_INTROSPECT])
    revoke_api_key(key=leaked.key, actor=actor, reason="Replaced by Terraform")


def _user(email: str, name: str, *, actor: Actor, is_operator: bool = False) -> User:
    existing = User.objects.filter(email=email).first()
    return existing or create_user(
        email=email, name=name, password=PASSWORD, verified=True, actor=actor, is_operator=is_operator
    )


def _group(organization: Organization, name: str, description: str, actor: Actor) -> Group:
    return create_group(organization=organization, name=name, description=description, actor=actor)


def _role(key: BuiltinRole) -> Role:
    role: Role = Role.objects.get(key=key, is_builtin=True)
    return role


def _member(email: str) -> Membership:
    membership: Membership = Membership.objects.select_related("user", "role").get(user__email=email)
    return membership


def _project(slug: str) -> Project:
    project: Project = Project.objects.get(slug=slug)
    return project
