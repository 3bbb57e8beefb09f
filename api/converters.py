"""Path converters; what does not match is no address of ours, a 404 without a question to the database."""

from django.urls import register_converter


class ReferenceConverter:
    """A slug or a UUID."""

    regex = "[A-Za-z0-9][A-Za-z0-9-]{0,62}"

    def to_python(self, value: str) -> str:
        """Return the text."""
        return value

    def to_url(self, value: object) -> str:
        """Return the text."""
        return str(value)


register_converter(ReferenceConverter, "reference")
