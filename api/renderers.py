"""Compact JSON, the same bytes whatever the Accept header adds: ETags are made from them."""

from typing import Any

from rest_framework.renderers import JSONRenderer


class CompactJSONRenderer(JSONRenderer):
    """Renders `application/json`."""

    def get_indent(self, accepted_media_type: str, renderer_context: Any) -> None:
        """Return None: nothing is indented."""
        return
