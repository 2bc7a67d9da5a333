"""Signing this machine in by a pairing code, and out again."""

from __future__ import annotations

from onduty.client import asking, credentials
from onduty.client.api import NotReached, NotSignedIn, Refused, Server
from onduty.client.credentials import Credential, CredentialsError

_NOT_ALLOWED = 4


def pair(address: str | None, code: str, machine: str) -> Server:
    """Turn a one-time code into a token for this machine, and keep it. CredentialsError, api's errors."""
    if not address:
        raise CredentialsError("a code needs its server: name it with --server URL")
    origin = credentials.origin_of(address)
    made = Server(origin, None).post("api", "pairings", "redeem", body={"code": code, "machine_id": machine}).body
    credentials.keep(Credential(origin, made["token"], machine=machine))
    return Server(origin, made["token"])


def show() -> int:
    """A line for each server that this machine is signed in at."""
    file = credentials.path()
    origins = credentials.origins(file)
    for origin in origins:
        kept = credentials.find(origin, file)
        print(f"{origin}  {_as_whom(kept)}{'  (default)' if origin == credentials.default_origin(file) else ''}")
    if not origins:
        asking.say("This machine is signed in nowhere: onduty login --server URL --code XXXX-XXXX")
    return 0 if origins else _NOT_ALLOWED


def _as_whom(kept: Credential | None) -> str:
    if kept is None:
        return "no token"
    try:
        me = Server(kept.origin, kept.token).get("api", "me").body
        return f"as {me['name']}, by the token '{me['token']['name']}'"
    except (NotReached, Refused) as error:
        return str(error)


def forget(address: str | None) -> int:
    """Revoke the credential at its server, as far as that is reached, and forget it."""
    file = credentials.path()
    origin = credentials.origin_of(address) if address else credentials.default_origin(file)
    kept = None if origin is None else credentials.find(origin, file)
    if kept is None:
        raise NotSignedIn("This machine is not signed in there")
    try:
        Server(kept.origin, kept.token).call("DELETE", "api", "me", "token")
    except (NotReached, Refused) as error:
        asking.say(f"It could not be revoked ({error}): revoke it from another machine, with onduty token revoke")
    credentials.forget(kept.origin, file)
    asking.say(f"Signed out of {kept.origin}")
    return 0
