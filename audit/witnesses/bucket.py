"""An S3 bucket with Object Lock: an object for each note, which nobody changes or deletes before its time."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

from .base import Note, WitnessError

ATTEMPTS = 2
MODES = ("COMPLIANCE", "GOVERNANCE")


@dataclass(frozen=True, slots=True)
class BucketAccess:
    """How the bucket is reached; the credentials come from where boto3 finds them.

    Attributes:
        bucket: its name; Object Lock must be on.
        prefix: what every object's key begins with.
        region: such as ``eu-central-1``; "" leaves it to boto3.
        endpoint: another address than AWS's own, or "".
        mode: one of `MODES`; in compliance mode not even the account's root user deletes an object early.
        days: how long an object is locked.
        timeout: seconds for one request.
    """

    bucket: str
    prefix: str = ""
    region: str = ""
    endpoint: str = ""
    mode: str = MODES[0]
    days: int = 3_650
    timeout: int = 10


class BucketWitness:
    """Puts notes into a bucket."""

    def __init__(self, access: BucketAccess) -> None:
        self.name = f"bucket {access.bucket}/{access.prefix}"
        self._access = access

    def keep(self, notes: list[Note]) -> None:
        """Put an object for each note, locked.

        Raises:
            WitnessError: the bucket does not answer, refuses, or has no Object Lock.
        """
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - only where it is used

        try:
            client = self._client()
            for note in notes:
                client.put_object(
                    Bucket=self._access.bucket,
                    Key=f"{self._access.prefix}{note.key}.note",
                    Body=note.text.encode(),
                    ContentType="text/plain; charset=utf-8",
                    ChecksumAlgorithm="SHA256",
                    ObjectLockMode=self._access.mode,
                    ObjectLockRetainUntilDate=timezone.now() + timedelta(days=self._access.days),
                )
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "unknown error")
            raise WitnessError(f"S3 refused: {code}") from error
        except BotoCoreError as error:
            raise WitnessError(f"S3 does not answer ({type(error).__name__})") from error

    def _client(self) -> Any:
        import boto3  # noqa: PLC0415 - half a second that nobody else should pay
        from botocore.config import Config  # noqa: PLC0415

        return boto3.Session().client(
            "s3",
            region_name=self._access.region or None,
            endpoint_url=self._access.endpoint or None,
            config=Config(
                connect_timeout=self._access.timeout,
                read_timeout=self._access.timeout,
                retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
                # Buckets of one's own seldom have a name of their own in DNS.
                s3={"addressing_style": "path"} if self._access.endpoint else {},
            ),
        )
