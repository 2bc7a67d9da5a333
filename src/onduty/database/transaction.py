"""What a store is given: a transaction that may read, or one that may also write.

A store names the one that it needs, so a page that writes does not pass the type check. Only `Database.read` and
`Database.write` make them; whoever is given one neither commits nor rolls back.
"""

from dataclasses import dataclass

from sqlalchemy import Connection

from onduty.clock import Instant


@dataclass(frozen=True, slots=True)
class Reader:
    """A transaction that reads one state of the database. `now` is the one instant at which all of it is judged."""

    connection: Connection
    now: Instant


@dataclass(frozen=True, slots=True)
class Writer(Reader):
    """A transaction that may also write. It is committed after the work returns, and undone if the work raises."""
