"""Where Alembic begins. The connection, and the transaction round all of it, are `schema.prepare`'s."""

from alembic import context

from onduty.database.metadata import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
    on_version_apply=context.config.attributes.get("applied"),
)
with context.begin_transaction():
    context.run_migrations()
