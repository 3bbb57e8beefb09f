"""The gRPC server that Envoy's external processing filter talks to."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio

from .config import Config
from .exchange import Exchange, Tools
from .messages import ext_proc_grpc, health, health_grpc

logger = logging.getLogger("gatehouse.transformer")

_MESSAGE_BYTES = 64 * 1024 * 1024
_OPTIONS = [
    ("grpc.max_receive_message_length", _MESSAGE_BYTES),
    ("grpc.max_send_message_length", _MESSAGE_BYTES),
    ("grpc.so_reuseport", 0),  # a second process on the same port is a mistake, and says so
]


class Processor(ext_proc_grpc.ExternalProcessorServicer):  # type: ignore[misc] # made at run time
    """Serves streams.

    Args:
        tools: what every exchange works with.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    async def Process(self, request_iterator: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:  # noqa: N802 - gRPC's name
        """Answer one stream to its end.

        A stream that the processor closes by itself fails open, even where Envoy is told to fail closed. So this
        returns after Envoy's end of the stream only, and whatever goes wrong ends it with an error.
        """
        exchange = Exchange(self._tools)
        try:
            async for message in request_iterator:
                async for answer in exchange.take(message):
                    yield answer
        except Exception:
            logger.exception("a stream broke off")
            await context.abort(grpc.StatusCode.INTERNAL, "The transformer failed; its log says why.")
        finally:
            await exchange.close()


class Health(health_grpc.HealthServicer):  # type: ignore[misc] # made at run time
    """Says that the process serves, to Kubernetes' gRPC probes."""

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        """Answer a probe."""
        return health.HealthCheckResponse(status=health.HealthCheckResponse.SERVING)


def server(config: Config, tools: Tools) -> tuple[grpc.aio.Server, int]:
    """Return the server, which answers once it is started, and the port it has taken.

    Raises:
        OSError: a file of the TLS settings cannot be read.
        RuntimeError: the address is taken.
    """
    made = grpc.aio.server(options=_OPTIONS)
    ext_proc_grpc.add_ExternalProcessorServicer_to_server(Processor(tools), made)
    health_grpc.add_HealthServicer_to_server(Health(), made)
    if config.certificate is None or config.private_key is None:
        return made, made.add_insecure_port(config.address)
    authorities = config.client_authorities.read_bytes() if config.client_authorities else None
    credentials = grpc.ssl_server_credentials(
        [(config.private_key.read_bytes(), config.certificate.read_bytes())],
        root_certificates=authorities,
        require_client_auth=authorities is not None,
    )
    return made, made.add_secure_port(config.address, credentials)
