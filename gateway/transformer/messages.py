"""Envoy's messages, read from their .proto files when this is imported."""

from typing import Any

import grpc

_DIRECTORY = "gateway/transformer"

ext_proc: Any
ext_proc_grpc: Any
health: Any
health_grpc: Any
ext_proc, ext_proc_grpc = grpc.protos_and_services(f"{_DIRECTORY}/ext_proc.proto")
health, health_grpc = grpc.protos_and_services(f"{_DIRECTORY}/health.proto")

OVERWRITE = ext_proc.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
DUPLEX = ext_proc.FULL_DUPLEX_STREAMED
