"""The command `csmoe`, one file a subcommand."""
