"""The group of verbs: what is suggested in place of one that does not exist."""

from typing import Any

from typer.core import TyperGroup


class Verbs(TyperGroup):
    """Verbs, and options of the program itself: `fusion version` does not mean `fusion verify`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The verb that is asked for; where it is the name of an option, that is suggested."""
        options = {name.lstrip("-"): name for each in self.get_params(ctx) for name in each.opts}
        asked = args[0]
        if asked in options and asked not in self.commands:
            ctx.fail(f"No such command {asked!r}. Did you mean '{options[asked]}'?")
        return super().resolve_command(ctx, args)
