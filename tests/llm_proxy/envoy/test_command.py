"""``manage.py envoy_config``: the settings of an installation become a configuration that Envoy takes."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from tests.llm_proxy.envoy.running import require_envoy


def rendered(*arguments: str) -> dict[str, Any]:
    require_envoy()
    out = StringIO()
    call_command("envoy_config", *arguments, stdout=out)
    return dict(yaml.safe_load(out.getvalue()))


def clusters(bootstrap: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {cluster["name"]: cluster for cluster in bootstrap["static_resources"]["clusters"]}


def filters(bootstrap: dict[str, Any]) -> dict[str, dict[str, Any]]:
    chain = bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    return {one["name"].rpartition(".")[2]: one["typed_config"] for one in chain["http_filters"]}


def test_it_follows_the_settings(settings: Settings) -> None:
    settings.PUBLIC_URL = settings.JWT_ISSUER = "https://portal.example.com"
    settings.GATEWAY_PUBLIC_URL = "https://gateway.example.com/inside"
    settings.PROXY_UPSTREAMS = ["https://llm.example.com/v1", "http://10.0.0.5:8000"]
    settings.PROXY_HOST, settings.PROXY_PORT, settings.PROXY_ADMIN_PORT = "0.0.0.0", 10443, 9999  # noqa: S104
    settings.PROXY_TRANSFORMER = False
    settings.JWKS_CACHE_SECONDS = 120
    found = rendered("--audience", "one", "--audience", "two")
    assert list(clusters(found)) == [
        "api.openai.com",
        "api.anthropic.com",
        "api.mistral.ai",
        "llm.example.com/v1",
        "10.0.0.5:8000",
        "regional",
        "jwks",
        "authz",
    ]
    token = filters(found)["jwt_authn"]["providers"]["bare"]
    assert (token["issuer"], token["audiences"]) == ("https://portal.example.com", ["one", "two"])
    assert token["remote_jwks"]["http_uri"]["uri"] == "https://portal.example.com/.well-known/jwks.json"
    assert token["remote_jwks"]["cache_duration"] == "120s"
    assert filters(found)["ext_authz"]["http_service"]["path_prefix"] == "/inside/check"
    assert found["admin"]["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": 9999}
    assert "ext_proc" not in filters(found)


def test_the_transformer_is_asked_where_there_is_one(settings: Settings) -> None:
    settings.PROXY_TRANSFORMER = True
    found = rendered()
    assert filters(found)["ext_proc"]["failure_mode_allow"] is False
    assert "BUFFERED" not in filters(found)["ext_proc"]["processing_mode"].values()
    assert list(filters(found)).index("ext_proc") == list(filters(found)).index("ext_authz") + 1
    place = clusters(found)["transformer"]["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]
    assert place["socket_address"]["port_value"] == settings.TRANSFORMER_PORT


def test_every_server_over_tls_has_to_prove_its_name() -> None:
    found = rendered("--jwks", "https://portal.example.com/jwks", "--authz", "https://gateway.example.com")
    for name in ("api.openai.com", "jwks", "authz"):
        context = clusters(found)[name]["transport_socket"]["typed_config"]
        validation = context["common_tls_context"]["validation_context"]
        assert validation["match_typed_subject_alt_names"] == [
            {"san_type": "DNS", "matcher": {"exact": context["sni"]}}
        ]
    options = clusters(found)["regional"]["typed_extension_protocol_options"]
    (protocols,) = options.values()
    assert protocols["upstream_http_protocol_options"] == {"auto_sni": True, "auto_san_validation": True}


def test_it_is_written_to_a_file(tmp_path: Path) -> None:
    require_envoy()
    for file, read in ((tmp_path / "envoy.json", json.loads), (tmp_path / "envoy.yaml", yaml.safe_load)):
        call_command("envoy_config", "--output", str(file))
        assert read(file.read_text(encoding="utf-8"))["admin"]


@pytest.mark.parametrize("option", ["--jwks", "--authz", "--transformer"])
def test_gatehouses_servers_are_not_asked_without_tls(option: str) -> None:
    with pytest.raises(CommandError, match="without TLS"):
        rendered(option, "http://gateway.example.com:8001")
    assert rendered(option, "http://gateway.example.com:8001", "--allow-http")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--certificate", "a.pem"], "--certificate and --key belong together"),
        (["--client-key", "a.pem"], "--client-certificate and --client-key belong together"),
        (["--http-proxy", "proxy"], "proxy is not host:port"),
        (["--authz", "gateway.example.com"], "is no address of a server"),
        (["--certificate", "/nowhere.pem", "--key", "/nowhere.key"], "Envoy does not take the configuration"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(arguments: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        rendered(*arguments)


def test_it_holds_no_secret(settings: Settings) -> None:
    text = yaml.dump(rendered())
    assert settings.SECRET_KEY not in text
    assert "PRIVATE KEY" not in text


def test_the_example_in_the_repository_is_what_the_command_makes(settings: Settings) -> None:
    """`deploy/envoy/example.yaml` is for reading; this keeps it true."""
    settings.PUBLIC_URL = settings.JWT_ISSUER = "https://portal.example.com"
    settings.GATEWAY_PUBLIC_URL = "https://gateway.example.com"
    settings.PROXY_TRANSFORMER = True
    example = Path(__file__).resolve().parents[3] / "deploy" / "envoy" / "example.yaml"
    made = rendered("--authorities", "/etc/ssl/certs/ca-certificates.crt")
    assert yaml.safe_load(example.read_text(encoding="utf-8")) == made
