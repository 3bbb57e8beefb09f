"""The gateway's own process: bare ASGI, no framework, no models; every request counts its microseconds."""
