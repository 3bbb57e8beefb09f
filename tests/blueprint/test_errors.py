"""Every kind of mistake has its line, its column and its path, says what to do, and changes nothing."""

from io import StringIO
from itertools import pairwise
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from isolation.scope import tenant_scope
from portal.blueprint.document import understand
from portal.blueprint.problems import BlueprintError
from portal.blueprint.reader import MOST_BYTES, parse, read
from tenants.models import Project
from tenants.services.organizations import request_deletion
from tests.blueprint.conftest import File
from tests.people import Tenant
from tests.tenants.stage import events

HEAD = """
version: 1
organizations:
  acme:
    projects:
      made-before-the-mistake: {}
"""
METADATA = "organizations.acme.projects.chatbot.metadata"
BOMB = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in pairwise("abcdefghi")
)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colour: red", "6:5: organizations.acme.colour: There is no field colour. "),
        ("prunes: true", "6:5: organizations.acme.prunes: There is no field prunes. Did you mean prune?"),
        ("name: 7", "6:11: organizations.acme.name: This must be a text. Put it in quotes."),
        ("name: ''", "6:11: organizations.acme.name: This must not be empty."),
        (f"name: {'x' * 121}", "6:11: organizations.acme.name: Use 120 characters at most."),
        ("roles:", "6:11: organizations.acme.roles: This must be a map (name: value). Write {} for an empty one."),
        (
            "roles: {Big Boss: {permissions: []}}",
            '6:13: organizations.acme.roles["Big Boss"]: Big Boss is no identifier',
        ),
        ("roles: {owner: {permissions: []}}", "6:13: organizations.acme.roles.owner: owner is built in"),
        ("roles: {a: {}}", "6:16: organizations.acme.roles.a: permissions is missing."),
        (
            "roles: {a: {permissions: [traces:read, trace:write]}}",
            "6:44: organizations.acme.roles.a.permissions[1]: There is no permission trace:write. Did you mean",
        ),
        (
            "roles: {a: {permissions: [traces:read, traces:read]}}",
            "6:30: organizations.acme.roles.a.permissions: Something stands in this list twice.",
        ),
        ("  chatbot: {metadata: [1]}", f"6:27: {METADATA}: This must be a map (name: value)."),
        (
            "  chatbot: {metadata: }",
            f"6:26: {METADATA}: This must be a map (name: value). Write {{}} for an empty one.",
        ),
        ("  chatbot: {metadata: team}", f"6:27: {METADATA}: This must be a map (name: value)."),
        ("  chatbot: {meta: {}}", "6:17: organizations.acme.projects.chatbot.meta: There is no field meta. "),
        (f"  chatbot: {{metadata: {{a: {'x' * 8_000}}}}}", f"6:17: {METADATA}: Use 8,000 bytes at most."),
        ("  chatbot: {metadata: {a: -1.0e+999}}", f"6:31: {METADATA}.a: -1.0e+999 is too large for a number."),
        (
            f"  chatbot: {{metadata: {'{a: ' * 21}1{'}' * 21}}}",
            f"6:107: {METADATA}{'.a' * 20}: This is nested deeper than",
        ),
        ('  chatbot: {metadata: {a: ["b\\0"]}}', f"6:32: {METADATA}.a[0]: The character U+0000 cannot be stored."),
        ("members: {ada: {role: member}}", "6:15: organizations.acme.members.ada: ada is no e-mail address."),
        (
            "members: {a@b.example: {role: member}, A@B.example: {role: viewer}}",
            '6:44: organizations.acme.members["A@B.example"]: This address stands twice',
        ),
        (
            "members: {a@b.example: {role: membre}}",
            '6:35: organizations.acme.members["a@b.example"].role: There is no role membre. Did you mean member?',
        ),
        (
            "members: {a@b.example: {role: member, projects: {chatbots: viewer}}}",
            '6:64: organizations.acme.members["a@b.example"].projects.chatbots: There is no project chatbots. Did you',
        ),
        (
            "members: {owner@acme.example: {role: viewer}}",
            '6:36: organizations.acme.members["owner@acme.example"].role: ',
        ),
        ("groups: {g: {members: [x@y.example]}}", "6:28: organizations.acme.groups.g.members[0]: There is no member"),
        ("groups: {g: {role: owner}}", "6:24: organizations.acme.groups.g.role: Owner is given to people, not to"),
        ("groups: {g: {}, G: {}}", "6:21: organizations.acme.groups.G: This name stands twice"),
        ("settings: {api_key_max_days: 0}", "6:34: organizations.acme.settings.api_key_max_days: Use 1 or more."),
        (
            "settings: {api_key_max_days: '9'}",
            "6:34: organizations.acme.settings.api_key_max_days: This must be a whole",
        ),
        (
            "settings: {project_naming_pattern: '(a+)+'}",
            "6:16: organizations.acme.settings.project_naming_pattern: Do not repeat a repetition",
        ),
        ("settings: {project_naming_pattern: '^x'}", "5:7: organizations.acme.projects.made-before-the-mistake: Here"),
        ("prune: [groups]", "6:13: organizations.acme.prune[0]: The file has no section groups"),
        ("prune: [group]", "6:13: organizations.acme.prune[0]: There is no choice group. Did you mean groups?"),
        (
            "keys: {k: {kind: project, scopes: [traces:read]}}",
            "6:12: organizations.acme.keys.k.project: Name the project",
        ),
        (
            "keys: {k: {kind: organization, project: chatbot, scopes: [traces:read]}}",
            "6:36: organizations.acme.keys.k.project: A key of this kind has no project.",
        ),
        (
            "keys: {k: {kind: organization, scopes: [traces:read]}}",
            "6:15: organizations.acme.keys.k: This key does not",
        ),
        (
            "keys: {k: {kind: personal, scopes: [traces:read]}}",
            "6:22: organizations.acme.keys.k.kind: There is no choice",
        ),
        (
            "keys: {k: {kind: organization, scopes: [traces:read], expires_at: tomorrow}}",
            "6:71: organizations.acme.keys.k.expires_at: This is no time with a time zone.",
        ),
        (
            "keys: {k: {kind: organization, scopes: [traces:read], allowed_networks: [here]}}",
            "6:77: organizations.acme.keys.k.allowed_networks: “here” is no IP address",
        ),
        (
            "keys: {k: {kind: organization, scopes: [traces:read], secret: {value: gatesk_x}}}",
            "6:68: organizations.acme.keys.k.secret.value: There is no field value. Use env, file.",
        ),
        (
            "keys: {k: {kind: organization, scopes: [traces:read], secret: {env: A, file: b}}}",
            "6:67: organizations.acme.keys.k.secret: Give one of env, file, and only one.",
        ),
        (
            "keys: {k: {kind: organization, scopes: [traces:read], secret: {file: nowhere}}}",
            "6:74: organizations.acme.keys.k.secret.file: The file ",
        ),
        ("name: *nobody", "6:11: This is not YAML: found undefined alias 'nobody'."),
        (
            "name: !!python/name:os.system x",
            "6:11: organizations.acme.name: The tag tag:yaml.org,2002:python/name:os.system",
        ),
        ("name: a\n    name: b", "7:5: organizations.acme.name: This stands twice: first in line 6."),
        ("<<: {name: a}", '6:5: organizations.acme["<<"]: Merging maps by << is not supported.'),
        ("? [a]\n    : b", '6:7: organizations.acme["?"]: A key is a word'),
        ('name: "a\\0b"', "6:11: organizations.acme.name: The character U+0000 cannot be stored."),
        ('name: "\\ud800"', "6:11: organizations.acme.name: The character U+D800 cannot be stored."),
        ('name: "a\\x1b[2Jb"', "6:5: organizations.acme.name: The name has characters that cannot be shown."),
        ("name: [", "This is not YAML"),
    ],
)
def test_a_mistake_has_its_line_and_changes_nothing(acme: Tenant, file: File, text: str, said: str) -> None:
    before = len(events(acme))
    (line,) = file.write(f"{HEAD}    {text}\n").refused()
    assert said in line if said.startswith("This is not YAML") else line.startswith(said), line
    assert "gatesk_x" not in line
    assert len(events(acme)) == before
    with tenant_scope(acme.organization):
        assert not Project.objects.filter(slug="made-before-the-mistake").exists()


@pytest.mark.django_db
def test_secrets_written_out_are_not_repeated(acme: Tenant, file: File) -> None:
    key = "{kind: organization, scopes: [traces:read], secret: %s}"
    for secret in ("gatesk_org_dev_inline", "{env: gatesk_org_dev_inline}"):
        (line,) = file.write(f"{HEAD}    keys: {{k: {key % secret}}}\n").refused()
        assert line.startswith("6:")
        assert "inline" not in line


@pytest.mark.django_db
def test_all_mistakes_are_told_at_once(acme: Tenant, file: File) -> None:
    file.write(f"{HEAD}    colour: red\n    name: 7\n    settings: {{default_role: 3}}\n")
    assert [line.split(":")[0] for line in file.refused()] == ["6", "7", "8"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "f.yaml: The file is empty. Begin with: version: 1"),
        ("- 1", "f.yaml:1:1: This must be a map (name: value)."),
        ("organizations: {}", "f.yaml:1:1: version is missing."),
        ("version: 2", "f.yaml:1:10: version: This must be 1."),
        ("version: yes", "f.yaml:1:10: version: This must be 1."),
        (
            "version: 1\nusers: {a@b.example: {password: hunter2}}",
            'f.yaml:2:33: users["a@b.example"].password: This must be',
        ),
    ],
)
def test_the_head_of_the_file(text: str, said: str) -> None:
    with pytest.raises(BlueprintError) as refusal:
        understand(parse(text, name="f.yaml"))
    assert str(refusal.value).startswith(said)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, "There are more than 200000 values"),
        ("a: &a [*a]", "This is nested deeper than 25 levels."),
        ("[" * 5_000, "This is nested deeper than 25 levels."),
        ("a: \x07", "There is a character that YAML does not allow."),
        ('a: "\\UFFFFFFFF"', "There is an escaped character that does not exist."),
        ("a: 1\n--- \nb: 2", "This is not YAML"),
    ],
    ids=["bomb", "endless", "deep", "bell", "beyond", "two"],
)
def test_hostile_yaml_is_refused(text: str, said: str) -> None:
    with pytest.raises(BlueprintError, match=said):
        parse(text, name="f.yaml")


def test_words_stay_words() -> None:
    data = parse('a: no\nb: 2026-01-01\nc: 0x1F\nd: 1e3\ne: 12\nf: true\ng: ~\nh: "12"\n1: on\n', name="f").data
    assert data == {
        "a": "no", "b": "2026-01-01", "c": "0x1F", "d": "1e3", "e": 12, "f": True, "g": None, "h": "12", "1": "on"
    }  # fmt: skip


def test_only_metadata_has_fractions_and_long_numbers() -> None:
    values = "{a: 1.5, b: -2.5e-07, c: 1.0e+20, d: 12345678901234567890, e: 1e5, f: '1.5', g: .5}"
    data = parse(f"organizations: {{x: {{projects: {{y: {{metadata: {values}, name: 1.5}}}}}}}}", name="f").data
    assert data["organizations"]["x"]["projects"]["y"] == {
        "metadata": {
            "a": 1.5, "b": -2.5e-07, "c": 10**20, "d": 12345678901234567890, "e": "1e5", "f": "1.5", "g": ".5"
        },
        "name": "1.5",
    }  # fmt: skip


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "b.yaml"
    with pytest.raises(BlueprintError, match=r"b\.yaml: This file cannot be read: No such file or directory\."):
        read(file)
    file.write_bytes(b"version: 1\nname: \xff\n")
    with pytest.raises(BlueprintError, match=r"b\.yaml:2: This is not UTF-8 text\."):
        read(file)
    file.write_bytes(b"#" * (MOST_BYTES + 1))
    with pytest.raises(BlueprintError, match="larger than 2 MiB"):
        read(file)
    with pytest.raises(BlueprintError, match="cannot be read"):
        read(tmp_path)


@pytest.mark.django_db
def test_an_organization_that_fails_does_not_keep_the_others_from_being_checked(
    acme: Tenant, globex: Tenant, file: File
) -> None:
    file.write(
        """
        version: 1
        organizations:
          acme:
            members: {x@y.example: {role: boss}}
          globex:
            members: {x@y.example: {role: chief}}
          initech: {}
        """
    )
    said = file.refused()
    assert [line.split(":")[0] for line in said] == ["4", "6", "7"]
    assert "initech does not exist yet and needs an owner who can sign in: list one under members" in said[2]


@pytest.mark.django_db
def test_nobody_is_asked_without_a_terminal(acme: Tenant, file: File) -> None:
    file.write(HEAD)
    with pytest.raises(CommandError, match="Add --yes"):
        call_command("blueprint", "apply", str(file.path), stdout=StringIO())


@pytest.mark.django_db
def test_an_organization_that_is_being_deleted_is_refused(acme: Tenant, file: File) -> None:
    with acme.acting("owner") as actor:
        request_deletion(organization=acme.organization, actor=actor)
    (line,) = file.write(HEAD).refused()
    assert line == "3:3: organizations.acme: This organization is being deleted. Call that off first."


def test_export_of_nothing(db: None) -> None:
    with pytest.raises(CommandError, match=r"There is no organization nowhere\."):
        call_command("blueprint", "export", "nowhere")
