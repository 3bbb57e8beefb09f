"""AWS by the keys of a credential: of an IAM user, temporary ones, or of a role that these may assume (no models).

botocore signs; what is sent goes through `outbound`. It is given keys and looks for none: this machine's own are nobody
else's.
"""

import base64
import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from .credential_servers import CannotObtain, ask, ask_for_document, host_of, lease

TOKEN_SECONDS = 3_600
"""For so long a token for Bedrock, and a role, is asked for."""
_FORM = "application/x-www-form-urlencoded; charset=utf-8"
_PARTS = ("AccessKeyId", "SecretAccessKey", "SessionToken")
_PRINTABLE = re.compile(r"[!-~]{1,8192}")


@dataclass(frozen=True, slots=True)
class AwsKeys:
    """With what requests to AWS are signed.

    Attributes:
        access_key_id, secret, session_token: the keys; a session token is of temporary ones only.
        ends: in seconds of Unix time; infinite where they do not end by themselves.
    """

    access_key_id: str
    secret: str = field(repr=False)
    session_token: str = field(default="", repr=False)
    ends: float = math.inf


def temporary_keys(text: str) -> AwsKeys | None:
    """Return the keys in the JSON that ``aws sts`` prints; None when it is none such."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(found, dict) and isinstance(found.get("Credentials"), dict):
        found = found["Credentials"]
    if not isinstance(found, dict):
        return None
    parts = {name: str(found.get(name) or "") for name in (*_PARTS, "Expiration")}
    try:
        return _made(parts)
    except ValueError:
        return None


def bedrock_token(options: Mapping[str, Any], secret: str) -> tuple[str, float]:
    """Return a short-term API key for Bedrock, and for how many seconds it is good.

    It is made here, without asking anybody: the address of a call that is signed, as AWS' own
    ``aws-bedrock-token-generator`` makes it.

    Args:
        options: of the credential.
        secret: a secret access key, or the JSON of temporary keys.

    Raises:
        CannotObtain: the keys have ended, or the role cannot be assumed.
        OutboundError: STS may not be asked, or does not answer.
    """
    from botocore.auth import SigV4QueryAuth  # noqa: PLC0415 - only where it is used

    region = str(options.get("region", ""))
    keys = _keys_of(options, secret, region)
    seconds = int(min(TOKEN_SECONDS, keys.ends - time.time()))
    asked = {"headers": {"host": "bedrock.amazonaws.com"}, "params": {"Action": "CallWithBearerToken"}}
    request = _request("POST", "https://bedrock.amazonaws.com/", **asked)
    SigV4QueryAuth(_credentials(keys), "bedrock", region, expires=seconds).add_auth(request)
    signed = f"{request.url.removeprefix('https://')}&Version=1"
    return f"bedrock-api-key-{base64.b64encode(signed.encode()).decode()}", seconds


def from_secrets_manager(options: Mapping[str, Any], secret: str) -> tuple[str, float]:
    """Return a secret in AWS Secrets Manager, or a field of one that is a JSON object, and for how long it counts.

    Args:
        options: of the credential.
        secret: a secret access key, or the JSON of temporary keys.

    Raises:
        CannotObtain: AWS refuses, or has no such secret.
        OutboundError: it may not be asked, or does not answer.
    """
    region = str(options.get("store_region", ""))
    keys = _keys_of(options, secret, region)
    url = _endpoint("secretsmanager", region, str(options.get("endpoint", "")))
    body = json.dumps({"SecretId": str(options.get("secret_id", ""))}).encode()
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "secretsmanager.GetSecretValue"}
    signed = _signed(keys, "secretsmanager", region, url, body, headers)
    answer = ask_for_document("POST", url, body, signed, who="AWS Secrets Manager")
    value = answer.get("SecretString")
    name = str(options.get("field") or "")
    if name and isinstance(value, str):
        try:
            parsed = json.loads(value)
        except (ValueError, RecursionError):
            parsed = None
        value = parsed.get(name) if isinstance(parsed, dict) else None
    if not isinstance(value, str) or not value:
        what = f"no text under “{name}”" if name else "no text"
        raise CannotObtain(f"The secret in AWS Secrets Manager has {what}.")
    return value, min(lease(options, None), keys.ends - time.time())


def _keys_of(options: Mapping[str, Any], secret: str, region: str) -> AwsKeys:
    """Return the keys of a credential, or of the role that it names.

    Raises:
        CannotObtain: they have ended, or the role cannot be assumed.
    """
    keys = temporary_keys(secret) or AwsKeys(str(options.get("access_key_id", "")), secret)
    if keys.ends <= time.time():
        raise CannotObtain("The temporary keys of AWS have ended. Rotate the credential, and give it new ones.")
    return _assumed(keys, options, region) if options.get("role_arn") else keys


def _assumed(keys: AwsKeys, options: Mapping[str, Any], region: str) -> AwsKeys:
    """Return the keys of a role (AWS STS, AssumeRole)."""
    url = _endpoint("sts", region, str(options.get("sts_endpoint", "")))
    asked = {
        "Action": "AssumeRole",
        "Version": "2011-06-15",
        "RoleArn": str(options["role_arn"]),
        "RoleSessionName": "gatehouse",
        "DurationSeconds": str(TOKEN_SECONDS),
    }
    if options.get("external_id"):
        asked["ExternalId"] = str(options["external_id"])
    body = urlencode(asked).encode()
    signed = _signed(keys, "sts", region, url, body, {"Content-Type": _FORM, "Accept": "application/xml"})
    text = ask("POST", url, body, signed, who="AWS STS").body.decode("utf-8", "replace")
    try:
        return _made({name: _element(text, name) for name in (*_PARTS, "Expiration")})
    except ValueError:
        raise CannotObtain(f"AWS STS at {host_of(url)} gave no keys for the role.") from None


def _made(parts: Mapping[str, str]) -> AwsKeys:
    """Return temporary keys.

    Raises:
        ValueError: one of them is missing, or is none.
    """
    if not all(_PRINTABLE.fullmatch(parts[name]) for name in _PARTS):
        raise ValueError
    ends = datetime.fromisoformat(parts["Expiration"]).timestamp() if parts["Expiration"] else math.inf
    return AwsKeys(parts["AccessKeyId"], parts["SecretAccessKey"], parts["SessionToken"], ends)


def _endpoint(service: str, region: str, given: str) -> str:
    """Return the address of a service of AWS in a region, or the one that was given."""
    if given:
        return f"{given.rstrip('/')}/"
    ending = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://{service}.{region}.{ending}/"


def _signed(
    keys: AwsKeys, service: str, region: str, url: str, body: bytes, headers: Mapping[str, str]
) -> dict[str, str]:
    """Return the headers of a POST with those that sign it (Signature Version 4)."""
    from botocore.auth import SigV4Auth  # noqa: PLC0415 - only where it is used

    request = _request("POST", url, headers=headers, data=body)
    SigV4Auth(_credentials(keys), service, region).add_auth(request)
    return {name: str(value) for name, value in request.headers.items()}


def _request(method: str, url: str, **more: Any) -> Any:
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415 - only where it is used

    return AWSRequest(method=method, url=url, **more)


def _credentials(keys: AwsKeys) -> Any:
    from botocore.credentials import Credentials  # noqa: PLC0415 - only where it is used

    return Credentials(keys.access_key_id, keys.secret, keys.session_token or None)


def _element(text: str, name: str) -> str:
    """Return the text of an element of STS' answer, "" when there is none."""
    found = re.search(rf"<{name}>([^<\s]{{1,8192}})</{name}>", text)
    return found[1] if found else ""
