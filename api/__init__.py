"""The base of the REST API, as `console` is the base of the consoles; it names no app above it."""
