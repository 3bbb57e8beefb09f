"""The console pages about people, service accounts and keys, one module for each noun."""

from . import users

__all__ = ["users"]
