"""moto's S3 behind a receiver of ours that breaks as a test wants; what moto stores counts as arrived."""

import gzip
import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import boto3
from moto.server import ThreadedMotoServer

from tests.audit.sinks.fakes.base import Fake
from tests.audit.sinks.receivers import Answer, Receiver, Request

BUCKET = "chaos"
_NOT_PASSED_ON = {"content-length", "transfer-encoding", "connection", "date", "server"}


class S3Fake(Fake):
    """A store that takes whatever is in an object, so that nothing is poison."""

    kind = "s3"
    has_poison = False
    port = 0

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        try:
            _host, port = server.get_host_and_port()
            client = boto3.client(
                "s3",
                region_name="us-east-1",
                endpoint_url=f"http://127.0.0.1:{port}",
                aws_access_key_id="test",
                aws_secret_access_key="test",
            )
            client.create_bucket(Bucket=BUCKET)
            with Receiver(keeps=100).running() as receiver:
                fake = cls(receiver)
                fake.port = port
                yield fake
        finally:
            server.stop()

    def options(self) -> dict[str, Any]:
        keys = {"access_key": "test", "secret_key": "a secret of ours"}
        return {"bucket": BUCKET, "endpoint": self.receiver.url, **keys}

    def accept(self, request: Request) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        headers = {name: value for name, value in request.headers.items() if name != "content-length"}
        connection.request(request.method, request.path, request.body or None, headers)
        response = connection.getresponse()
        body = response.read()
        answer = Answer(
            response.status,
            body,
            {name: value for name, value in response.getheaders() if name.lower() not in _NOT_PASSED_ON},
        )
        connection.close()
        if request.method == "PUT" and response.status == 200:
            for line in gzip.decompress(request.body).splitlines():
                record = json.loads(line)
                self.store(record["seq"], record["event"]["id"])
        return answer
