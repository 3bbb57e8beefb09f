"""Draws the OpenAPI document from what the operations declare."""

from drf_spectacular.openapi import AutoSchema


class OperationSchema(AutoSchema):
    """One operation of the document."""
