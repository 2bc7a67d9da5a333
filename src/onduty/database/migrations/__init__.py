"""Steps from one schema to the next, run by Alembic. Only add; what is no longer needed goes a release later."""
