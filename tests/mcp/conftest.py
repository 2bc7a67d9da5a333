"""A desk for each test: a project and a token of its own on its module's server."""

from __future__ import annotations

import uuid

import pytest

from tests.mcp.speaking import Desk, new_project, new_token
from tests.serving import Server


@pytest.fixture
def desk(server: Server) -> Desk:
    project_id = new_project(server, f"project {uuid.uuid4().hex[:8]}")
    return Desk(server, project_id, new_token(server, project_ids=[project_id], machine_id="laptop"))
