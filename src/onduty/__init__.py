"""Onduty: which AI coding agents are at work on a project, whose, where, on what, since when, and why we think so."""

__version__ = "0.1.0"
