"""The subcommands of `prep`, one module for what belongs together."""
