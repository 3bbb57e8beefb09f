"""The transformer: Envoy's external processor, which reads and rewrites the bodies of LLM requests and responses.

A process of its own, without Django's app registry, like the hot path.
"""
