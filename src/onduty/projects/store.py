"""All SQL about projects and members."""

from sqlalchemy import insert, select

from onduty.database.transaction import Reader, Writer
from onduty.projects.model import Membership, Project
from onduty.projects.tables import members, projects


def all_projects(reader: Reader) -> list[Project]:
    c = projects.c
    return [Project(*row) for row in reader.connection.execute(select(c.id, c.name, c.created_at))]


def all_members(reader: Reader) -> list[Membership]:
    c = members.c
    return [Membership(*row) for row in reader.connection.execute(select(c.project_id, c.user_id, c.role))]


def add_project(writer: Writer, project: Project) -> None:
    row = {"id": project.id, "name": project.name, "created_at": project.created_at}
    writer.connection.execute(insert(projects), row)


def add_member(writer: Writer, member: Membership) -> None:
    row = {
        "project_id": member.project_id,
        "user_id": member.user_id,
        "role": member.role,
        "joined_at": writer.now,
    }
    writer.connection.execute(insert(members), row)
