"""pysaml2's identity provider as a program, run by the Python of `.venv/idp` (`make test` sets it up).

Its first line of input is the configuration as JSON: the directory for its files, our metadata, and what it says of the
person. It prints its metadata as one line of JSON. Each further line is a query that a browser brings, as JSON; it
answers with the page whose form brings its response: {"url": …, "form": …}.
"""

import json
import sys
from pathlib import Path
from typing import Any

from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.config import IdPConfig
from saml2.metadata import entity_descriptor
from saml2.saml import NAMEID_FORMAT_PERSISTENT, NameID
from saml2.server import Server
from saml2.xmldsig import DIGEST_SHA256, SIG_RSA_SHA256

BASE = "http://pysaml2.example"


def configuration(place: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """Return what pysaml2 wants to know."""
    (place / "sp.xml").write_text(asked["metadata"])
    return {
        "entityid": f"{BASE}/idp",
        "xmlsec_binary": asked["xmlsec1"],
        "key_file": asked["key"],
        "cert_file": asked["certificate"],
        "encryption_keypairs": [{"key_file": asked["key"], "cert_file": asked["certificate"]}],
        "metadata": {"local": [str(place / "sp.xml")]},
        "service": {
            "idp": {
                "name": "pysaml2",
                "endpoints": {"single_sign_on_service": [(f"{BASE}/sso", BINDING_HTTP_REDIRECT)]},
                "sign_assertion": True,
                "sign_response": asked["sign_response"],
                "want_authn_requests_signed": True,
                "policy": {"default": {"name_form": "urn:oasis:names:tc:SAML:2.0:attrname-format:basic"}},
            }
        },
    }


def main() -> None:
    """Answer until there are no more questions."""
    asked = json.loads(sys.stdin.readline())
    place = Path(asked["directory"])
    config = IdPConfig().load(configuration(place, asked))
    say({"metadata": str(entity_descriptor(config))})
    server = Server(config=config)
    for line in sys.stdin:
        query = json.loads(line)
        request = server.parse_authn_request(
            query["SAMLRequest"],
            BINDING_HTTP_REDIRECT,
            relay_state=query.get("RelayState"),
            sigalg=query["SigAlg"],
            signature=query["Signature"],
        )
        response = server.create_authn_response(
            identity=asked["attributes"],
            name_id=NameID(format=NAMEID_FORMAT_PERSISTENT, text=asked["name_id"]),
            authn={"class_ref": "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"},
            sign_alg=SIG_RSA_SHA256,
            digest_alg=DIGEST_SHA256,
            encrypt_assertion=asked["encrypt"],
            **server.response_args(request.message),
        )
        arguments = server.apply_binding(
            BINDING_HTTP_POST, str(response), request.message.assertion_consumer_service_url, response=True
        )
        say({"url": arguments["url"], "form": str(arguments["data"])})


def say(answer: dict[str, Any]) -> None:
    """Print one line of JSON."""
    sys.stdout.write(f"{json.dumps(answer)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
