"""Commands as users type them: parsed, not run."""

import typer

from website.commands import PROGRAMS


def commands_and_groups():
    """Return (words, Click's command) of every program, group and command."""

    def walk(command, words):
        yield words, command
        for name, child in getattr(command, "commands", {}).items():
            yield from walk(child, (*words, name))

    for name, app in PROGRAMS.items():
        yield from walk(typer.main.get_command(app), (name,))


def context_of(words, *, incomplete=False):
    """Return the context of the command that some words call, parsed as on the command line."""
    command, rest = typer.main.get_command(PROGRAMS[words[0]]), list(words[1:])
    context, name = None, words[0]
    while True:
        if hasattr(command, "commands"):  # groups too, as `csmoe plot`
            context = command.make_context(name, [], parent=context, resilient_parsing=True)
            if not rest:
                return context
            name, command, rest = rest[0], command.commands[rest[0]], rest[1:]
        else:
            return command.make_context(
                name, rest, parent=context, resilient_parsing=incomplete
            )  # fmt: skip
