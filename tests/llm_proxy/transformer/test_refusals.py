"""What does not leave: whatever cannot be checked, or is not allowed."""

import pytest

from tests.llm_proxy.transformer.stream import context, exchanged

HELLO = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}
FORM = {"content-type": "multipart/form-data; boundary=x"}


@pytest.mark.parametrize("duplex", [True, False])
def test_a_request_that_came_past_the_authorization_service_is_refused(duplex: bool) -> None:
    passed = exchanged(HELLO, duplex=duplex)
    assert (passed.denial.status.code, passed.problem["code"]) == (503, "context_missing")
    assert passed.request == b""
    assert passed.notebook.entries == []


@pytest.mark.parametrize("duplex", [True, False])
def test_a_model_that_the_credential_does_not_allow_is_refused(duplex: bool) -> None:
    passed = exchanged(HELLO, request=context(allowed_models=["gpt-4.1*", "o3"]), duplex=duplex)
    assert (passed.denial.status.code, passed.problem["code"]) == (403, "model_not_allowed")
    assert passed.problem["request_id"] == "req-1"
    assert passed.request == b""
    assert passed.settled[0] == "model_not_allowed"


def test_the_body_asks_for_the_model_that_the_token_names() -> None:
    assert exchanged(HELLO, request=context(model="gpt-4o-mini")).problem["code"] == "model_not_allowed"
    assert exchanged(HELLO, request=context(model="gpt-4o")).denial is None


def test_a_model_named_twice_leaves_as_it_was_checked() -> None:
    twice = b'{"model": "gpt-5", "messages": [], "model": "gpt-4o"}'
    passed = exchanged(twice, request=context(allowed_models=["gpt-4o"]))
    assert passed.request == b'{"model":"gpt-4o","messages":[]}'


@pytest.mark.parametrize("body", [{"messages": []}, {"model": None}, {"model": ["gpt-4o"]}])
def test_without_a_model_only_what_allows_all_models_passes(body: object) -> None:
    assert exchanged(body, request=context(allowed_models=["gpt-4o"])).denial is not None


def test_a_model_in_the_path_needs_none_in_the_body() -> None:
    passed = exchanged(
        {"messages": []}, request=context(provider="azure_openai", model="gpt-4o", allowed_models=["gpt-4o"])
    )
    assert passed.denial is None


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b'"text"', b"[" * 100_000])
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    passed = exchanged(body, request=context())
    assert (passed.denial.status.code, passed.problem["code"]) == (400, "malformed")


@pytest.mark.parametrize("depth", [400, 900, 5_000])
def test_what_is_nested_too_deeply_is_refused_and_never_an_error(depth: int) -> None:
    nested = b'{"model": "m", "deep": ' + b"[" * depth + b"]" * depth + b"}"
    passed = exchanged(nested, request=context())
    assert passed.denial is None or passed.problem["code"] == "malformed"


def test_a_compressed_body_is_refused() -> None:
    passed = exchanged(HELLO, request=context(), kind={"content-type": "application/json", "content-encoding": "gzip"})
    assert passed.problem["code"] == "unsupported_media_type"


def test_an_upload_passes_where_nothing_has_to_be_known_of_it() -> None:
    passed = exchanged(b"--x\r\n\r\nvoice\r\n--x--", request=context(), kind=FORM, path="/v1/audio/transcriptions")
    assert passed.request == b"--x\r\n\r\nvoice\r\n--x--"


def test_an_upload_is_refused_where_prompts_are_masked() -> None:
    passed = exchanged(b"--x--", request=context(masked=["email"]), kind=FORM, path="/v1/audio/transcriptions")
    assert (passed.denial.status.code, passed.problem["code"]) == (403, "not_maskable")


def test_an_upload_names_its_model_where_some_are_allowed_only() -> None:
    allowed = ["whisper-1"]
    assert (
        exchanged(b"--x--", request=context(allowed_models=allowed), kind=FORM).problem["code"] == "model_not_allowed"
    )
    assert exchanged(b"--x--", request=context(allowed_models=allowed, model="whisper-1"), kind=FORM).denial is None


def test_a_mapping_that_is_not_there_is_refused() -> None:
    passed = exchanged(HELLO, request=context(mapping="json:legacy"))
    assert (passed.denial.status.code, passed.problem["code"]) == (503, "mapping_unknown")


def test_a_body_over_twenty_mebibytes_is_refused() -> None:
    passed = exchanged({"model": "m", "messages": ["x" * (21 * 2**20)]}, request=context())
    assert (passed.denial.status.code, passed.problem["code"]) == (413, "body_too_large")
