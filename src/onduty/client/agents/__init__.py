"""The agent clients that Onduty knows, one file each: what its hooks mean, and how its files are written."""
