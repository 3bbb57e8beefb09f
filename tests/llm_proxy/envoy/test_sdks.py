"""The clients that people use, pointed at the proxy."""

import json
from pathlib import Path

import boto3
import certifi
import pytest
from anthropic import Anthropic
from openai import AuthenticationError, OpenAI

from gateway.upstreams import upstream_at
from tests.llm_proxy.envoy.conftest import Stage
from tests.llm_proxy.envoy.running import Envoy, proxy
from tests.llm_proxy.envoy.servers import AUDIENCE, ISSUER, SECRET, Answer, Server


def test_openais_client(stage: Stage) -> None:
    headers = {"X-Gatehouse-LLM-Auth": stage.key.token()}
    with OpenAI(
        base_url=f"http://127.0.0.1:{stage.envoy.port}/v1", api_key="unused", default_headers=headers
    ) as client:
        completion = client.chat.completions.create(
            model="fake-1", messages=[{"role": "user", "content": "hello there"}]
        )
        assert completion.choices[0].message.content == "You said: hello there"
        assert completion.usage is not None
        assert completion.usage.total_tokens == 6
        stream = client.chat.completions.create(
            model="fake-1",
            messages=[{"role": "user", "content": "hello there"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "You said: hello there"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 6


def test_openais_client_says_what_is_wrong(stage: Stage) -> None:
    with (
        OpenAI(base_url=f"http://127.0.0.1:{stage.envoy.port}/v1", api_key="unused", max_retries=0) as client,
        pytest.raises(AuthenticationError) as caught,
    ):
        client.models.list()
    assert "carries no access token" in caught.value.response.json()["detail"]
    assert caught.value.response.headers["x-gatehouse-denial"] == "token_invalid"


def test_an_api_key_in_place_of_the_providers(stage: Stage) -> None:
    """For clients that can set nothing but their key."""
    with OpenAI(base_url=f"http://127.0.0.1:{stage.envoy.port}/v1", api_key="gatesk_prj_prod_abc") as client:
        assert client.models.list().data[0].id == "fake-1"
    assert stage.authz.asked[0].headers["authorization"] == "Bearer gatesk_prj_prod_abc"


def test_anthropics_client(stage: Stage) -> None:
    stage.authorization.credential = ("x-api-key", SECRET)
    headers = {"X-Gatehouse-LLM-Auth": stage.key.token()}
    with Anthropic(
        base_url=f"http://127.0.0.1:{stage.envoy.port}", api_key="unused", default_headers=headers
    ) as client:
        message = client.messages.create(
            model="fake-1", max_tokens=20, messages=[{"role": "user", "content": "hello there"}]
        )
        assert message.content[0].type == "text"
        assert message.content[0].text == "You said: hello there"
        with client.messages.stream(
            model="fake-1", max_tokens=20, messages=[{"role": "user", "content": "hello there"}]
        ) as stream:
            assert "".join(stream.text_stream) == "You said: hello there"
            assert stream.get_final_message().usage.output_tokens == 4


def test_awss_client_calls_a_model_by_its_arn(stage: Stage, tmp_path: Path) -> None:
    """What the authorization service reads is what Bedrock reads, the escaped slash too; AWS' own signature is gone."""
    arn = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/ab12"
    message = {"role": "assistant", "content": [{"text": "Hello."}]}
    usage = {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}
    said = {"output": {"message": message}, "stopReason": "end_turn", "usage": usage, "metrics": {"latencyMs": 1}}
    answer = Answer(200, (("content-type", "application/json"),), json.dumps(said).encode())
    with Server(lambda _asked: answer) as bedrock, Server(stage.authorization) as authz:
        upstream = upstream_at(bedrock.url)
        stage.authorization.upstream = upstream.name
        made = proxy(
            issuer=ISSUER,
            audiences=[AUDIENCE],
            jwks=stage.jwks.url,
            authz=authz.url,
            upstreams=[upstream],
            authorities=certifi.where(),
        )
        with Envoy(made.bootstrap(), tmp_path) as envoy:
            client = boto3.client(
                "bedrock-runtime",
                region_name="eu-west-1",
                endpoint_url=f"http://127.0.0.1:{envoy.port}",
                aws_access_key_id="unused",
                aws_secret_access_key="unused",
                aws_session_token="unused",
            )
            client.meta.events.register(
                "before-send.bedrock-runtime.*",
                lambda request, **_: request.headers.update({"X-Gatehouse-LLM-Auth": stage.key.token()}),
            )
            reply = client.converse(modelId=arn, messages=[{"role": "user", "content": [{"text": "Hello"}]}])
            client.close()
    assert reply["output"]["message"] == message
    (asked,), (arrived,) = authz.asked, bedrock.asked
    assert (
        arrived.path
        == "/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Aapplication-inference-profile%2Fab12/converse"
    )
    assert asked.path == f"/check{arrived.path}"
    assert arrived.headers["authorization"] == f"Bearer {SECRET}"
    assert "x-amz-security-token" not in arrived.headers
