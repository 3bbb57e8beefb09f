"""What a log could get to see of what the hot path holds: no secret stands in a representation."""

from pathlib import Path
from typing import Any

import pytest

from gateway.hotpath.config import Config
from gateway.hotpath.requests import Credential, Question
from gateway.transformer.config import Config as TransformerConfig

SECRET = "s3cr3t-of-somebody"
DATABASE = f"postgresql://gatehouse_app:{SECRET}@db/gatehouse"
REDIS = f"rediss://:{SECRET}@redis/0"


@pytest.mark.parametrize(
    "held",
    [
        Config(DATABASE, counter_url=REDIS, check_secrets=(SECRET.encode(),)),
        TransformerConfig("127.0.0.1:10001", DATABASE, REDIS, Path("mappings.json"), 1, None, None, None),
        Credential(SECRET, "gatepk_1"),
        Question((SECRET,), many=False, project="", client_ip=None),
    ],
    ids=["gateway", "transformer", "credential", "question"],
)
def test_no_secret_shows(held: Any) -> None:
    assert SECRET not in repr(held)
