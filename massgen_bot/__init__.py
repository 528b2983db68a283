"""What `massgen-bot` and `python -m massgen_bot` start.

An installed wheel keeps everything in this one package: `bot`, `coordination` and `configs` lie inside it, where no
other project's package of such a name can replace them. In a checkout they lie beside it. Either way their folder goes
first on the path of this process, so that what is imported as `bot` is ours.
"""

import sys
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def main() -> None:
    """Run the command line, and end the process with its exit status."""
    home = _PACKAGE if (_PACKAGE / "bot").is_dir() else _PACKAGE.parent
    sys.path.insert(0, str(home))
    from bot.__main__ import main as run  # noqa: PLC0415 - only now can it be found

    run()
