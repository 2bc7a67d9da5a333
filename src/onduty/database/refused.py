"""Why a server cannot start on this data."""


class Refused(Exception):  # noqa: N818 - a refusal, like those of errors.py
    """The data cannot be used; the message is one sentence for the person who started the server."""
