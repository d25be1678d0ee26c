"""What a command shows while it works: messages, progress, heartbeats, how to resume."""
