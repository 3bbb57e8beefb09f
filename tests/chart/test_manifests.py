"""What the chart puts into Kubernetes, judged by Kubernetes' own schemas and by checkov."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.charts import EVERYTHING, NEEDED, lint, manifests, program, refusal, texts

VALUES = {"what is needed": NEEDED, "everything": EVERYTHING}
# Each with its reason.
UNFIT = {
    "CKV_K8S_14": "the tag is fixed; checkov takes one after a digest for none",
    "CKV_K8S_15": "images of a fixed version need not be pulled each time",
    "CKV_K8S_35": "Envoy reads the one secret that it shows to the gateway from its environment",
    "CKV_K8S_43": "which digest is right is for whoever installs to say: image.digest",
}


@pytest.mark.parametrize("name", VALUES)
def test_lint_finds_nothing(name: str) -> None:
    found = lint(VALUES[name])
    assert not [message for message in found["messages"] if message["error"] != "icon is recommended"]


@pytest.mark.parametrize("name", VALUES)
def test_kubernetes_takes_every_object(name: str, tmp_path: Path) -> None:
    known = [one for kind, one in manifests(VALUES[name]).items() if kind != "HTTPRoute"]  # a custom resource
    file = tmp_path / "manifests.yaml"
    file.write_text(yaml.dump_all(known), encoding="utf-8")
    command = [program("kubernetes-validate"), "--strict", "-k", "1.37", str(file)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("name", VALUES)
def test_checkov_finds_nothing(name: str, tmp_path: Path) -> None:
    file = tmp_path / "manifests.yaml"
    file.write_text(yaml.dump_all(manifests(VALUES[name]).values()), encoding="utf-8")
    command = [program("checkov"), "--framework", "kubernetes", "--file", str(file), "--output", "json", "--quiet"]
    command += ["--skip-download", "--skip-check", ",".join(UNFIT)]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "ANONYMIZE_LOGS": "1"}
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    report = json.loads(result.stdout)
    failed = [
        (check["check_id"], check["check_name"], check["resource"]) for check in report["results"]["failed_checks"]
    ]
    assert not failed
    assert report["summary"]["passed"] > 50


@pytest.mark.parametrize("name", VALUES)
def test_every_container_may_do_nothing_that_it_need_not(name: str) -> None:
    pod = manifests(VALUES[name])["Deployment"]["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]


def test_it_is_made_for_three_pods() -> None:
    found = manifests(NEEDED)
    assert found["HorizontalPodAutoscaler"]["spec"]["minReplicas"] == 3
    assert "replicas" not in found["Deployment"]["spec"]
    assert found["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 1
    fixed = manifests(NEEDED | {"autoscaling": {"enabled": False}})
    assert fixed["Deployment"]["spec"]["replicas"] == 3
    assert "HorizontalPodAutoscaler" not in fixed


def test_the_network_is_open_where_it_has_to_be_and_nowhere_else() -> None:
    rules = manifests(EVERYTHING)["NetworkPolicy"]["spec"]
    assert rules["policyTypes"] == ["Ingress", "Egress"]
    assert rules["ingress"][0]["from"] == [{"namespaceSelector": {"matchLabels": {"llm": "yes"}}}]
    names, calls = rules["egress"]
    assert {port["port"] for port in names["ports"]} == {53}
    assert {port["port"] for port in calls["ports"]} == {443, 3128, 8000}
    assert calls["to"][0]["ipBlock"]["except"] == ["169.254.0.0/16"]
    assert manifests(NEEDED)["NetworkPolicy"]["spec"]["ingress"][0]["from"] == [{"podSelector": {}}]


def test_a_changed_configuration_is_a_rollout() -> None:
    def checksum(values: dict[str, Any]) -> str:
        annotations = manifests(values)["Deployment"]["spec"]["template"]["metadata"]["annotations"]
        return str(annotations["checksum/config"])

    assert checksum(NEEDED) == checksum(NEEDED | {"drainSeconds": 60})
    assert checksum(NEEDED) != checksum(NEEDED | {"trustedHops": 1})


def test_certificates_are_mounted_where_envoy_looks_for_them() -> None:
    pod = manifests(EVERYTHING)["Deployment"]["spec"]["template"]["spec"]
    mounted = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    text = texts(EVERYTHING)["configmap.yaml"]
    for name in ("authorities", "gatehouse-authorities", "client", "listener"):
        assert f"{mounted[name]}/" in text
        assert name in [volume["name"] for volume in pod["volumes"]]
    assert pod["containers"][0]["readinessProbe"]["httpGet"]["scheme"] == "HTTPS"


def test_what_envoy_shows_to_the_gateway_comes_from_a_secret() -> None:
    envoy, _ = manifests(EVERYTHING)["Deployment"]["spec"]["template"]["spec"]["containers"]
    (variable,) = envoy["env"]
    assert variable == {
        "name": "PROXY_CHECK_SECRET",
        "valueFrom": {"secretKeyRef": {"name": "gatehouse", "key": "check-secret"}},
    }
    assert "%ENVIRONMENT(PROXY_CHECK_SECRET)%" in texts(EVERYTHING)["configmap.yaml"]


def test_streams_may_end_before_a_pod_does() -> None:
    pod = manifests(NEEDED | {"drainSeconds": 300})["Deployment"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"] == 300
    assert pod["terminationGracePeriodSeconds"] > 300


def test_the_notes_warn() -> None:
    assert "WARNING" not in texts(EVERYTHING)["NOTES.txt"]
    notes = texts(NEEDED | {"allowPlainHttp": True, "transformer": {"failureModeAllow": True}})["NOTES.txt"]
    assert notes.count("WARNING") == 3


def test_no_secret_is_among_the_values() -> None:
    values = (Path(__file__).resolve().parents[2] / "deploy/helm/gatehouse-auth-proxy/values.yaml").read_text()
    assert "Secret" not in manifests(EVERYTHING)
    for word in ("password", "apiKey:", "token:", "BEGIN"):
        assert word not in values


PRIVATE = json.dumps({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AA", "d": "AA", "kid": "k"}]})
REFUSED = {
    "no issuer": (NEEDED | {"issuer": ""}, "issuer is not set"),
    "no keys": (NEEDED | {"jwksUri": ""}, "Set one of jwksUri and jwksJson"),
    "keys twice": (NEEDED | {"jwksJson": '{"keys": []}'}, "Set one of jwksUri and jwksJson"),
    "a private key": (NEEDED | {"jwksUri": "", "jwksJson": PRIVATE}, "holds a private key"),
    "no authorization service": (NEEDED | {"extAuthz": {}}, "extAuthz.serviceUrl is not set"),
    "nobody who chooses": (NEEDED | {"extAuthz": {"enabled": False}}, "set upstream"),
    "plain HTTP to the gateway": (NEEDED | {"extAuthz": {"serviceUrl": "http://gateway:8001"}}, "without TLS"),
    "plain HTTP to the portal": (NEEDED | {"jwksUri": "http://portal/jwks"}, "without TLS"),
    "no transformer": (NEEDED | {"transformer": {"enabled": True}}, "transformer.serviceUrl is not set"),
    "a sidecar without image": (
        NEEDED | {"transformer": {"enabled": True, "sidecar": {"enabled": True}}},
        "image.repository is not set",
    ),
    "buffered streams": (
        NEEDED
        | {
            "transformer": {
                "enabled": True,
                "serviceUrl": "https://t.example.com",
                "processingMode": {"response_body_mode": "BUFFERED"},
            }
        },
        "hold streams back",
    ),
    "an unknown value": (NEEDED | {"extauthz": {}}, "extauthz"),
    "no audience": (NEEDED | {"audiences": []}, "audiences"),
    "a secret in an address": (NEEDED | {"upstreams": ["https://user:pass@llm.example.com"]}, "upstreams"),
    "a query in an address": (NEEDED | {"upstream": "https://llm.example.com?key=1"}, "upstream"),
    "the newest image": (NEEDED | {"image": {"tag": "latest"}}, "tag"),
    "a privileged port": (NEEDED | {"port": 443}, "port"),
    "a header of the proxy's own": (
        NEEDED
        | {"extAuthz": {"serviceUrl": "https://g.example.com", "headers": {"injected": ["X-Gatehouse-Context"]}}},
        "injected",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_right_is_refused(name: str) -> None:
    values, said = REFUSED[name]
    assert said in refusal(values)
