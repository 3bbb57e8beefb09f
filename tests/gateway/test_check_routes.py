"""Which paths are passed on, and with which credentials they may leave: pure rules."""

from typing import Any
from uuid import uuid4

import pytest

from gateway.hotpath.choosing import Choice, Wish, choices
from gateway.hotpath.credentials import Credential
from gateway.hotpath.problems import Refused
from gateway.hotpath.routes import OPENAI_SHAPED, route_of

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
GEMINI = "/v1/projects/p/locations/europe-west1/publishers/google/models/gemini-1.5-pro"


def credential(provider: str = "openai", **values: Any) -> Credential:
    """Return a credential that nobody opens."""
    given: dict[str, Any] = {
        "id": str(uuid4()),
        "organization_id": uuid4(),
        "project_id": None,
        "name": "One",
        "provider": provider,
        "kind": "api_key",
        "upstream": "api.example",
        "options": {},
        "allowed_models": (),
        "priority": 100,
        "secret": b"",
        "data_key": uuid4(),
        "wrapped": b"",
        "wrapped_by": 1,
        "version": b"",
    }
    return Credential(**given | values)


def chosen(wish: Wish, *credentials: Credential, transformer: bool = True) -> list[Choice]:
    return choices(wish, credentials, transformer=transformer)


def refusal(wish: Wish, *credentials: Credential, transformer: bool = True) -> str:
    """Return why nothing fits."""
    with pytest.raises(Refused) as refused:
        choices(wish, credentials, transformer=transformer)
    return refused.value.code


@pytest.mark.parametrize(
    ("method", "path", "provider", "model"),
    [
        ("POST", CHAT, "openai", ""),
        ("POST", "/v1/embeddings", "mistral", ""),
        ("POST", "/v1/responses", "openai_compatible", ""),
        ("POST", "/v1/images/generations", "openai", ""),
        ("POST", "/v1/audio/speech", "openai", ""),
        ("GET", "/v1/models", "openai", ""),
        ("GET", "/v1/models/gpt-4o", "openai", ""),
        ("POST", MESSAGES, "anthropic", ""),
        ("POST", "/v1/messages/count_tokens", "anthropic", ""),
        ("POST", "/openai/deployments/gpt-4o/chat/completions", "azure_openai", "gpt-4o"),
        ("POST", "/openai/v1/responses", "azure_openai", ""),
        ("POST", "/model/anthropic.claude-v2%3A1/invoke", "bedrock", "anthropic.claude-v2:1"),
        ("POST", "/model/eu.amazon.nova-lite-v1:0/converse-stream", "bedrock", "eu.amazon.nova-lite-v1:0"),
        (
            *(
                "POST",
                "/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Aapplication-inference-profile%2Fab12/invoke",
            ),
            *("bedrock", "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/ab12"),
        ),
        (
            "POST",
            "/model/arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model%2famazon.nova-lite-v1%3a0/converse",
            "bedrock",
            "arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/amazon.nova-lite-v1:0",
        ),
        (
            *("POST", "/model/arn:aws:bedrock:eu-west-1:123456789012:prompt/PROMPT12345:1/converse"),
            *("bedrock", "arn:aws:bedrock:eu-west-1:123456789012:prompt/PROMPT12345:1"),
        ),
        ("POST", f"{GEMINI}:streamGenerateContent", "vertex", "gemini-1.5-pro"),
        ("POST", "/v1beta/models/gemini-2.0-flash:generateContent", "vertex", "gemini-2.0-flash"),
        ("POST", "/v1/projects/p/locations/l/endpoints/openapi/chat/completions", "vertex", ""),
    ],
)
def test_inference_is_passed_on(method: str, path: str, provider: str, model: str) -> None:
    route = route_of(method, path)
    assert route is not None
    assert provider in route.native
    assert route.model == model


@pytest.mark.parametrize(
    ("method", "path"),
    [
        # What a key opens besides, and would show one project another one's.
        ("GET", "/v1/files"),
        ("POST", "/v1/files"),
        ("GET", "/v1/responses/resp_1"),
        ("GET", "/v1/chat/completions"),
        ("DELETE", "/v1/models/ft:gpt-4o"),
        ("GET", "/v1/messages/batches"),
        ("POST", "/v1/messages/batches"),
        ("POST", "/v1/fine_tuning/jobs"),
        ("GET", "/v1/organization/admin_api_keys"),
        ("POST", "/v1/assistants"),
        ("OPTIONS", CHAT),
        ("HEAD", "/v1/models"),
        ("TRACE", CHAT),
        ("post", CHAT),
        # What is read differently here and there.
        ("POST", ""),
        ("POST", "/"),
        ("POST", "v1/chat/completions"),
        ("POST", "/v1/chat/completions/"),
        ("POST", "//v1/chat/completions"),
        ("POST", "/v1//chat/completions"),
        ("POST", "/v1/./chat/completions"),
        ("POST", "/v1/../v1/chat/completions"),
        ("POST", "/../api/v1/introspect"),
        ("POST", "/V1/chat/completions"),
        ("POST", "/v1/chat%2Fcompletions"),
        ("POST", "/v1%2fchat/completions"),
        ("POST", "/v1/chat/completions%00"),
        ("POST", "/v1/chat/completions;x=1"),
        ("POST", "/v1/chat/completions\n"),
        ("POST", "/v1/chat\\completions"),
        ("POST", "/openai/deployments/../chat/completions"),
        ("POST", "/openai/deployments/./chat/completions"),
        ("POST", "/openai/deployments//chat/completions"),
        ("POST", "/openai/deployments/%2e%2e/chat/completions"),
        ("POST", "/openai/deployments/a%2fb/chat/completions"),
        ("POST", "/model/anthropic%2Fclaude/invoke"),
        ("POST", "/model/arn:aws:bedrock:eu-west-1:123456789012:x%2F../invoke"),
        ("POST", "/model/arn:aws:bedrock:eu-west-1:123456789012:x%2F%2E%2E/invoke"),
        ("POST", "/model/arn:aws:bedrock:eu-west-1:123456789012:x%2Fy%2Fz/invoke"),
        ("POST", "/model/arn:aws:bedrock:eu-west-1:123456789012:x/y/z/invoke"),
        ("POST", "/model/arn:aws:bedrock:eu-west-1:123456789012:x/../invoke"),
        ("POST", "/model/arn:aws:s3:eu-west-1:123456789012:x%2Fy/invoke"),
        ("GET", "/v1/models/arn:aws:bedrock:eu-west-1:123456789012:x%2Fy"),
        ("POST", "/openai/deployments/a%252fb/chat/completions"),
        ("POST", "/openai/deployments/a%5cb/chat/completions"),
        ("POST", "/openai/deployments/a?b/chat/completions"),
        ("GET", "/v1/models/.."),
        ("GET", "/v1/models/."),
        ("POST", "/model/../invoke"),
        ("POST", "/model/a/invoke/../../x"),
        ("POST", "/v1/projects/../locations/l/models/m:predict"),
        ("POST", "/v1beta/models/..:generateContent"),
        ("POST", f"{GEMINI}:delete"),
        ("POST", "/v1/projects/p/locations/l/models/m:undeploy"),
    ],
)
def test_nothing_else_is(method: str, path: str) -> None:
    assert route_of(method, path) is None


def test_the_order_is_kept_and_other_providers_are_left_out() -> None:
    first, other, second = credential("mistral"), credential("vertex"), credential("openai")
    found = chosen(Wish("POST", CHAT), first, other, second)
    assert [choice.credential for choice in found] == [first, second]
    assert {choice.mapping for choice in found} == {""}


def test_a_stated_provider_is_the_only_one() -> None:
    openai, mistral = credential("openai"), credential("mistral")
    assert [each.credential for each in chosen(Wish("POST", CHAT, "mistral"), openai, mistral)] == [mistral]
    assert refusal(Wish("POST", CHAT, "openai_compatible"), openai, mistral) == "credential_missing"
    assert refusal(Wish("POST", CHAT, "bedrock"), openai, credential("bedrock")) == "provider_unknown"
    assert refusal(Wish("POST", CHAT, "nobody"), openai) == "provider_unknown"
    assert refusal(Wish("POST", CHAT, "OpenAI"), openai) == "provider_unknown"


def test_azure_takes_openais_paths_only_when_it_is_meant() -> None:
    azure = credential("azure_openai")
    assert refusal(Wish("POST", CHAT), azure) == "credential_missing"
    assert chosen(Wish("POST", CHAT, "azure_openai"), azure)


@pytest.mark.parametrize("provider", sorted(OPENAI_SHAPED))
def test_the_other_shape_is_mapped_after_those_that_speak_it_themselves(provider: str) -> None:
    anthropic, shaped = credential("anthropic"), credential(provider)
    found = chosen(Wish("POST", MESSAGES), shaped, anthropic)
    assert [(each.credential, each.mapping) for each in found] == [(anthropic, ""), (shaped, "openai")]
    found = chosen(Wish("POST", CHAT), anthropic, shaped)
    assert [(each.credential, each.mapping) for each in found] == [(shaped, ""), (anthropic, "anthropic")]


def test_nothing_is_mapped_where_nobody_maps() -> None:
    anthropic = credential("anthropic")
    assert refusal(Wish("POST", CHAT), anthropic, transformer=False) == "credential_missing"
    assert refusal(Wish("POST", "/v1/embeddings"), anthropic) == "credential_missing"
    own = credential("openai_compatible", options={"mapping": "ours"})
    assert chosen(Wish("POST", CHAT), own)[0].mapping == "json:ours"
    assert refusal(Wish("POST", CHAT), own, transformer=False) == "model_not_allowed"


def test_a_model_in_the_path_decides() -> None:
    path = "/openai/deployments/gpt-4o/chat/completions"
    wide, narrow = credential("azure_openai"), credential("azure_openai", allowed_models=("gpt-4o-mini",))
    (choice,) = chosen(Wish("POST", path, "", "gpt-4o-mini"), narrow, wide)
    assert (choice.credential, choice.model, choice.allowed_models) == (wide, "gpt-4o", ())
    assert refusal(Wish("POST", path), narrow) == "model_not_allowed"
    assert refusal(Wish("POST", path, "", "gpt-4o-mini", is_bound=True), wide) == "model_not_allowed"
    assert chosen(Wish("POST", path, "", "gpt-4o", is_bound=True), wide)


def test_a_stated_model_chooses_and_binds_the_body() -> None:
    mini, all_four = credential(allowed_models=("gpt-4o-mini",)), credential(allowed_models=("gpt-4*",))
    (choice,) = chosen(Wish("POST", CHAT, "", "gpt-4o"), mini, all_four)
    assert (choice.credential, choice.model, choice.allowed_models) == (all_four, "", ("gpt-4o",))
    assert refusal(Wish("POST", CHAT, "", "o1"), mini, all_four) == "model_not_allowed"
    (first, _) = chosen(Wish("POST", CHAT), mini, all_four)
    assert (first.credential, first.model, first.allowed_models) == (mini, "", ("gpt-4o-mini",))


@pytest.mark.parametrize("name", ["*", "gpt-4*", "gpt-4[o]", "a b", "a,b", "-x", "x" * 121, "ü", "a\tb", "a\nb"])
def test_what_is_stated_has_to_be_a_name(name: str) -> None:
    assert refusal(Wish("POST", CHAT, "", name), credential()) == "model_not_allowed"


def test_where_nobody_reads_bodies_nothing_that_depends_on_them_is_allowed() -> None:
    narrow, wide = credential(allowed_models=("gpt-4o",)), credential()
    assert refusal(Wish("POST", CHAT), narrow, transformer=False) == "model_not_allowed"
    assert refusal(Wish("POST", CHAT, "", "gpt-4o"), narrow, transformer=False) == "model_not_allowed"
    assert refusal(Wish("POST", CHAT, "", "gpt-4o", is_bound=True), wide, transformer=False) == "model_not_allowed"
    assert [each.credential for each in chosen(Wish("POST", CHAT), narrow, wide, transformer=False)] == [wide]
    assert chosen(Wish("GET", "/v1/models"), narrow, transformer=False)
