"""The command `minortom`, one file a subcommand."""
