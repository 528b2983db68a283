"""`python -m bot` is `massgen-bot`."""

import gc

from bot.cli import app


def main() -> None:
    """Run the command line, and end the process with its exit status."""
    # Nothing that is loaded is garbage, and looking for some meanwhile takes a seventh of the start-up. The whole
    # application begins to collect by itself; every other command has ended before it would matter.
    gc.disable()
    app.main()


if __name__ == "__main__":
    main()
