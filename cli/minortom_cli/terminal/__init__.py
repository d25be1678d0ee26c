"""Messages, progress, heartbeats and how to resume: the terminal of a working command."""
