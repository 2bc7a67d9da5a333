"""A desk for each test: a project and a token of its own on its module's server."""

from tests.mcp.conftest import desk

__all__ = ["desk"]
