"""Whether a PostgreSQL database is whole: of one state of it, every row is read and refers to what is there."""

from sqlalchemy import Connection, Text, and_, cast, column, func, inspect, literal_column, select, table

from onduty.database import postgres
from onduty.database.checking import Damaged, Found
from onduty.database.postgres_schema import revision_of
from onduty.database.refused import Refused

_VERSIONS = "alembic_version"


async def look(url: str) -> Found:
    """Check a database and count it; a server may work on it meanwhile.

    `Damaged` where it is not whole, `Refused` where it cannot be read or is no database of Onduty.
    """
    with postgres.refusing(url):
        try:
            async with postgres.snapshot(url) as connection:
                return await connection.run_sync(lambda here: _looked(here, url))
        except Exception as error:
            if (said := postgres.damage(error)) is None:
                raise
            raise Damaged(postgres.shown(url), said) from error


def _looked(connection: Connection, url: str) -> Found:
    revision = revision_of(connection, url)
    if revision is None:
        raise Refused(f"{postgres.shown(url)} is empty: it is no database of Onduty.")
    names = [name for name in sorted(inspect(connection).get_table_names()) if name != _VERSIONS]
    rows = {name: _read(connection, name) for name in names}
    for name in names:
        _check_references(connection, url, name)
    return Found(revision, rows)


def _read(connection: Connection, name: str) -> int:
    """How many rows the table has. Each is made text, so that every value of it is read."""
    every = func.count(cast(literal_column("every"), Text))
    return int(connection.execute(select(every).select_from(table(name).alias("every"))).scalar_one())


def _check_references(connection: Connection, url: str, name: str) -> None:
    """`Damaged` where a row refers to one that is not there: the constraint itself looks only at what is written."""
    for key in inspect(connection).get_foreign_keys(name):
        pairs = list(zip(key["constrained_columns"], key["referred_columns"], strict=True))
        ours = table(name, *(column(mine) for mine, _ in pairs)).alias("ours")
        theirs = table(key["referred_table"], *(column(its) for _, its in pairs)).alias("theirs")
        met = select(theirs.c[pairs[0][1]]).where(*(theirs.c[its] == ours.c[mine] for mine, its in pairs)).exists()
        refers = and_(*(ours.c[mine].is_not(None) for mine, _ in pairs))
        if connection.execute(select(literal_column("1")).select_from(ours).where(refers, ~met).limit(1)).first():
            reason = f"a row of {name} refers to one of {key['referred_table']} that is not there"
            raise Damaged(postgres.shown(url), reason)
