"""Who gets which status where: one table for the routes, one for the tools.

`ids` says whose things the path names: the team's (of Alice, Bob and Vera) or those elsewhere (Charlie's, whose owner
he is). What a route takes away is made anew for each try: a project, a person, a token, an invitation, a session.
`bad` is a wrong, an expired and a revoked token; `reader` is a read-only token of Alice's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

COLUMNS: Final = ("nobody", "bad", "Charlie", "Vera", "Bob", "reader", "Alice")

ROUTES: Final = """
    route                                             ids        nobody bad Charlie Vera Bob reader Alice
    GET    /me                                        -          401    401 200     200  200 200    200
    GET    /me/agent-sessions                         -          401    401 200     200  200 200    200
    DELETE /me/token                                  -          401    401 204     204  204 204    204
    POST   /pairings                                  -          401    401 201     201  201 403    201
    POST   /pairings/redeem                           -          400    400 400     400  400 400    400
    GET    /tokens                                    -          401    401 200     200  200 200    200
    POST   /tokens                                    -          401    401 201     201  201 403    201
    DELETE /tokens/{token_id}                         own        401    401 204     204  204 403    204
    DELETE /tokens/{token_id}                         bobs       401    401 404     404  204 403    404
    POST   /sign-in-links                             -          401    401 201     201  201 403    201
    POST   /invitations/accept                        -          200    401 200     200  200 403    409
    GET    /projects                                  -          401    401 200     200  200 200    200
    POST   /projects                                  -          401    401 201     201  201 403    201
    GET    /projects/{id}                             team       401    401 403     200  200 200    200
    GET    /projects/{id}                             elsewhere  401    401 200     403  403 403    403
    PATCH  /projects/{id}                             team       401    401 403     403  403 403    200
    PATCH  /projects/{id}                             elsewhere  401    401 200     403  403 403    403
    DELETE /projects/{id}                             team       401    401 403     403  403 403    204
    DELETE /projects/{id}                             elsewhere  401    401 204     403  403 403    403
    GET    /projects/{id}/members                     team       401    401 403     200  200 200    200
    GET    /projects/{id}/members                     elsewhere  401    401 200     403  403 403    403
    PATCH  /projects/{id}/members/{user_id}           team       401    401 403     403  403 403    200
    PATCH  /projects/{id}/members/{user_id}           elsewhere  401    401 200     403  403 403    403
    DELETE /projects/{id}/members/{user_id}           team       401    401 403     403  403 403    204
    DELETE /projects/{id}/members/{user_id}           elsewhere  401    401 204     403  403 403    403
    GET    /projects/{id}/invitations                 team       401    401 403     403  403 200    200
    GET    /projects/{id}/invitations                 elsewhere  401    401 200     403  403 403    403
    POST   /projects/{id}/invitations                 team       401    401 403     403  403 403    201
    POST   /projects/{id}/invitations                 elsewhere  401    401 201     403  403 403    403
    DELETE /projects/{id}/invitations/{invitation_id} team       401    401 403     403  403 403    204
    DELETE /projects/{id}/invitations/{invitation_id} elsewhere  401    401 204     403  403 403    403
    GET    /projects/{id}/audit                       team       401    401 403     403  403 200    200
    GET    /projects/{id}/audit                       elsewhere  401    401 200     403  403 403    403
    GET    /projects/{id}/export                      team       401    401 403     403  403 200    200
    GET    /projects/{id}/export                      elsewhere  401    401 200     403  403 403    403
    GET    /projects/{id}/agent-sessions              team       401    401 403     200  200 200    200
    GET    /projects/{id}/agent-sessions              elsewhere  401    401 200     403  403 403    403
    GET    /projects/{id}/agent-sessions/stream       team       401    401 403     200  200 200    200
    GET    /projects/{id}/agent-sessions/stream       elsewhere  401    401 200     403  403 403    403
    POST   /projects/{id}/agent-sessions              team       401    401 403     403  201 403    201
    POST   /projects/{id}/agent-sessions              elsewhere  401    401 201     403  403 403    403
    GET    /agent-sessions/{session_id}               bobs       401    401 404     200  200 200    200
    GET    /agent-sessions/{session_id}               elsewhere  401    401 200     404  404 404    404
    PATCH  /agent-sessions/{session_id}               bobs       401    401 404     403  200 403    403
    PATCH  /agent-sessions/{session_id}               elsewhere  401    401 200     404  404 404    404
    DELETE /agent-sessions/{session_id}               bobs       401    401 404     403  204 403    204
    DELETE /agent-sessions/{session_id}               elsewhere  401    401 204     404  404 404    404
    POST   /agent-sessions/{session_id}/activity      bobs       401    401 404     403  204 403    403
    POST   /agent-sessions/{session_id}/activity      elsewhere  401    401 204     404  404 404    404
    POST   /agent-events                              -          401    401 200     200  200 403    200
"""

# A tool's outcome is `ok`, or the code of its refusal; a number is the status of the whole request.
TOOLS: Final = """
    tool                ids        nobody bad Charlie Vera      Bob reader     Alice
    whoami              team       401    401 403     ok        ok  ok         ok
    whoami              elsewhere  401    401 ok      403       403 403        403
    who_is_on_duty      team       401    401 403     ok        ok  ok         ok
    who_is_on_duty      elsewhere  401    401 ok      403       403 403        403
    set_status          team       401    401 403     FORBIDDEN ok  VALIDATION ok
    set_status          elsewhere  401    401 ok      403       403 403        403
    end_session         team       401    401 403     NOT_FOUND ok  VALIDATION ok
    end_session         elsewhere  401    401 ok      403       403 403        403
    use_project         team       401    401 FORBIDDEN FORBIDDEN ok VALIDATION ok
    use_project         elsewhere  401    401 ok      FORBIDDEN FORBIDDEN VALIDATION FORBIDDEN
"""


@dataclass(frozen=True)
class Row:
    """`what` is `GET /projects` or a tool's name; `expected` by column."""

    what: str
    ids: str
    expected: dict[str, str]


def rows(table: str) -> list[Row]:
    """The rows of a table above."""
    found = []
    for line in table.strip().splitlines()[1:]:
        words = line.split()
        found.append(Row(" ".join(words[:-8]), words[-8], dict(zip(COLUMNS, words[-7:], strict=True))))
    return found
