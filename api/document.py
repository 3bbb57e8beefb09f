"""The OpenAPI document and its page, for everybody."""
