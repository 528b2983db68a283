"""`python -m bot` is `massgen-bot`."""

import gc
import os
import sys

DEMO_BOARD = "demo-board"


def main() -> None:
    """Run the command line, and end the process with its exit status."""
    if sys.argv[1:2] == [DEMO_BOARD]:
        # The demo's tool server needs milliseconds to start, and the command line half of a second.
        from bot import demo_world  # noqa: PLC0415 - either is loaded, never both

        demo_world.main(sys.argv[2:])
        return
    from bot.terminal import cli  # noqa: PLC0415 - likewise
    from bot.terminal.protection import shielded  # noqa: PLC0415 - likewise

    # Nothing that is loaded is garbage, and looking for some meanwhile takes a seventh of the start-up. The whole
    # application begins to collect by itself; every other command has ended before it would matter.
    gc.disable()
    cli.main(environ=shielded(os.environ))


if __name__ == "__main__":
    main()
