"""The pages of the tenant console, one module for each noun."""

from . import member_projects, members, project_exceptions, projects, roles

__all__ = ["member_projects", "members", "project_exceptions", "projects", "roles"]
