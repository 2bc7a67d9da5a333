"""What a schema cannot say, put into the requests that schemathesis makes as valid ones; invalid ones stay as they are.

- A cursor is what an answer gave, and belongs to its list: a valid request has none.
- A token expires in the future: a valid request has a time that is not over.
- A parent is a session that is there: a valid request names one.
- An invitation's secret and a pairing's code count once: a valid request has a new one.
- A session of no project has null for it: a link that would follow that takes the project that is there.
- Half of all valid requests name a project and a session that are there, so that more than 403 and 404 is looked at;
  but that project is never deleted.
"""

from __future__ import annotations

import os
import zlib
from typing import Any, Final
from uuid import uuid4

import schemathesis
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation import GenerationMode

from tests.asking import ask

_LATER: Final = "2999-01-01T00:00:00Z"
_NULL: Final = (None, "null", "None")
_THERE: Final = {"id": "FUZZED_PROJECT", "session_id": "FUZZED_SESSION"}


@schemathesis.hook
def before_call(_: Any, case: Any, kwargs: dict[str, Any]) -> None:
    if case.meta is None:
        return
    if _is_valid(case, ParameterLocation.QUERY) and case.query:
        case.query.pop("cursor", None)
    if _is_valid(case, ParameterLocation.BODY) and isinstance(case.body, dict):
        _put_known(case)
    if _operation(case) == "deleteProject":
        if str(case.path_parameters["id"]).lower() == os.environ["FUZZED_PROJECT"]:
            case.path_parameters["id"] = str(uuid4())
        return
    chosen = _is_valid(case, ParameterLocation.PATH) and _is_chosen(case)
    for name, variable in _THERE.items():
        if name in (case.path_parameters or ()) and (chosen or case.path_parameters[name] in _NULL):
            case.path_parameters[name] = os.environ[variable]


def _put_known(case: Any) -> None:
    known = {"expires_at": _LATER, "parent": os.environ["FUZZED_SESSION"]}
    case.body.update({name: value for name, value in known.items() if case.body.get(name)})
    if _operation(case) == "acceptInvitation":
        case.body["secret"] = _new_secret()
    if _operation(case) == "redeemPairing":
        case.body["code"] = _made("/api/pairings")["code"]


def _is_valid(case: Any, location: ParameterLocation) -> bool:
    component = case.meta.components.get(location)
    return component is not None and component.mode is GenerationMode.POSITIVE


def _operation(case: Any) -> str:
    return str(case.operation.definition.raw["operationId"])


def _is_chosen(case: Any) -> bool:
    if case.meta.phase.name.value not in ("coverage", "fuzzing"):
        return False
    return bool(zlib.crc32(repr((case.path_parameters, case.query, case.body)).encode()) & 1)


def _new_secret() -> str:
    return str(_made(f"/api/projects/{os.environ['FUZZED_PROJECT']}/invitations", {})["url"]).partition("#")[2]


def _made(path: str, body: Any = None) -> Any:
    made = ask(int(os.environ["FUZZED_PORT"]), "POST", path, token=os.environ["FUZZED_TOKEN"], json=body)
    assert made.status == 201, made.body
    return made.json
