"""All SQL about projects and members."""

from sqlalchemy import delete, insert, select, update

from onduty.database.transaction import Reader, Writer
from onduty.projects.model import Invitation, Membership, Project, Role
from onduty.projects.tables import invitations, members, projects

_I = invitations.c
_OPEN = (_I.id, _I.project_id, _I.role, _I.invited_by, _I.created_at, _I.expires_at)


def all_projects(reader: Reader) -> list[Project]:
    c = projects.c
    query = select(c.id, c.name, c.created_at, c.retention_days).where(c.deleted_at.is_(None))
    return [Project(*row) for row in reader.connection.execute(query)]


def all_members(reader: Reader) -> list[Membership]:
    c = members.c
    return [Membership(*row) for row in reader.connection.execute(select(c.project_id, c.user_id, c.role))]


def add_project(writer: Writer, project: Project) -> None:
    row = {name: getattr(project, name) for name in ("id", "name", "created_at", "retention_days")}
    writer.connection.execute(insert(projects), row)


def add_member(writer: Writer, member: Membership) -> None:
    row = {
        "project_id": member.project_id,
        "user_id": member.user_id,
        "role": member.role,
        "joined_at": writer.now,
    }
    writer.connection.execute(insert(members), row)


def change(writer: Writer, project: Project) -> None:
    values = {"name": project.name, "retention_days": project.retention_days}
    writer.connection.execute(update(projects).where(projects.c.id == project.id).values(**values))


def set_role(writer: Writer, member: Membership, before: Role) -> bool:
    """Whether the member had the role `before`, and so has the new one."""
    c = members.c
    which = (c.project_id == member.project_id, c.user_id == member.user_id, c.role == before)
    return writer.connection.execute(update(members).where(*which).values(role=member.role)).rowcount > 0


def remove_member(writer: Writer, project_id: str, user_id: str) -> bool:
    """Whether there was such a member."""
    c = members.c
    which = (c.project_id == project_id, c.user_id == user_id)
    return writer.connection.execute(delete(members).where(*which)).rowcount > 0


def begin_deletion(writer: Writer, project_id: str) -> None:
    """Take a project from everybody; what belongs to it is removed in time, and then the project."""
    for table in (members, invitations):
        writer.connection.execute(delete(table).where(table.c.project_id == project_id))
    writer.connection.execute(update(projects).where(projects.c.id == project_id).values(deleted_at=writer.now))


def deleted_projects(reader: Reader) -> list[str]:
    """Ids of the projects of which something is left though they were deleted."""
    return list(reader.connection.execute(select(projects.c.id).where(projects.c.deleted_at.is_not(None))).scalars())


def end_deletion(writer: Writer, project_id: str) -> None:
    writer.connection.execute(delete(projects).where(projects.c.id == project_id))


def add_invitation(writer: Writer, digest: bytes, invitation: Invitation) -> None:
    row = {column.name: getattr(invitation, column.name) for column in _OPEN}
    writer.connection.execute(insert(invitations), {**row, "digest": digest})


def open_invitations(reader: Reader, project_id: str) -> list[Invitation]:
    query = select(*_OPEN).where(_I.project_id == project_id, _I.expires_at > reader.now)
    return [Invitation(*row) for row in reader.connection.execute(query)]


def spend_invitation(writer: Writer, digest: bytes) -> Invitation | None:
    """The open invitation of that secret; it is spent by this. None if there is none."""
    row = writer.connection.execute(select(*_OPEN).where(_I.digest == digest, _I.expires_at > writer.now)).first()
    writer.connection.execute(delete(invitations).where(_I.digest == digest))
    return None if row is None else Invitation(*row)


def withdraw_invitation(writer: Writer, project_id: str, invitation_id: str) -> Invitation | None:
    """The open invitation that is withdrawn by this. None if there is none."""
    which = (_I.project_id == project_id, _I.id == invitation_id, _I.expires_at > writer.now)
    row = writer.connection.execute(select(*_OPEN).where(*which)).first()
    writer.connection.execute(delete(invitations).where(*which))
    return None if row is None else Invitation(*row)


def withdraw_invitations_by(writer: Writer, project_id: str, user_id: str) -> None:
    """Withdraw what somebody invited to who may not invite any longer."""
    writer.connection.execute(delete(invitations).where(_I.project_id == project_id, _I.invited_by == user_id))
