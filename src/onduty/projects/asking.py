"""What every page of a project's settings knows of who looks."""

from typing import Any

from fastapi import Request

from onduty.identity.service import Principal
from onduty.projects.service import Projects


def settings_of(request: Request, visitor: Principal, project_id: str) -> dict[str, Any]:
    """The frame of a page of a project's settings. Forbidden where the visitor may not see the project."""
    projects: Projects = request.app.state.projects
    return {
        "me": visitor.name,
        "project": projects.project(visitor, project_id),
        "owns": projects.role(visitor, project_id) == "owner",
        "tab": "settings",
    }
