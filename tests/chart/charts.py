"""The chart, rendered by Helm itself."""

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.services import SERVICE_MISSING

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / ".venv" / "chart" / "bin"
NEEDED: dict[str, Any] = {
    "issuer": "https://portal.example.com",
    "jwksUri": "https://portal.example.com/.well-known/jwks.json",
    "extAuthz": {"serviceUrl": "https://gateway.example.com"},
}
EVERYTHING: dict[str, Any] = NEEDED | {
    "extAuthz": {
        "serviceUrl": "https://gateway.example.com/inside",
        "secret": {"name": "gatehouse"},
        "sendBody": {"enabled": True},
        "headers": {"told": ["X-Mine"], "injected": ["X-Goog-Api-Key"]},
    },
    "transformer": {
        "enabled": True,
        "sidecar": {"enabled": True, "image": {"repository": "gatehouse", "tag": "0.1.0"}, "env": []},
    },
    "upstreams": ["https://llm.example.com/v1", "http://10.0.0.5:8000"],
    "httpProxy": {"host": "proxy.example.com", "port": 3128, "noProxy": ["10.0.0.5"]},
    "tls": {
        "authorities": {"configMap": "authorities"},
        "gatehouseAuthorities": {"secret": "gatehouse-ca"},
        "clientCertificate": {"secret": "client"},
        "listener": {"secret": "listener"},
    },
    "requestsPerMinute": 600,
    "trustedHops": 1,
    "ingress": {"enabled": True, "className": "nginx", "hosts": ["llm.example.com"]},
    "httpRoute": {"enabled": True, "parentRefs": [{"name": "gateway"}], "hostnames": ["llm.example.com"]},
    "sidecars": [],
    "podLabels": {"team": "platform"},
    "image": {"digest": "sha256:" + "a" * 64},
    "networkPolicy": {"from": [{"namespaceSelector": {"matchLabels": {"llm": "yes"}}}]},
}


def program(name: str) -> str:
    """Return the path of one of the programs that judge the chart; skip the test when there is none."""
    path = PROGRAMS / name
    if not path.exists():
        pytest.skip(f"{SERVICE_MISSING} {name} (make test installs it into .venv/chart)")
    return str(path)


@cache
def _rendered(values: str, *arguments: str) -> dict[str, Any]:
    command = [program("python"), str(Path(__file__).with_name("render.py")), *arguments]
    result = subprocess.run(command, input=values, capture_output=True, text=True, check=True)
    return dict(json.loads(result.stdout))


def lint(values: dict[str, Any]) -> dict[str, Any]:
    return _rendered(json.dumps(values), "lint")


def refusal(values: dict[str, Any]) -> str:
    """Return why Helm does not render the chart with these values."""
    return str(_rendered(json.dumps(values))["refused"])


def texts(values: dict[str, Any]) -> dict[str, str]:
    """Return what each template becomes."""
    found = _rendered(json.dumps(values))
    assert "manifests" in found, found
    return {name.rpartition("/")[2]: text for name, text in found["manifests"].items()}


def manifests(values: dict[str, Any]) -> dict[str, Any]:
    """Return the objects by their kind."""
    found = [yaml.safe_load(text) for name, text in texts(values).items() if name.endswith(".yaml") and text.strip()]
    return {one["kind"]: one for one in found}


def envoy(values: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration of Envoy."""
    return dict(yaml.safe_load(manifests(values)["ConfigMap"]["data"]["envoy.yaml"]))
