"""`make servers`: install those of the published MCP servers that come from npm.

Exit status: 0 they are there; 1 they can't be had.
"""

import sys

from tests.npm import UnavailableError, node
from tests.published.servers import PACKAGES


def main() -> int:
    try:
        node()
        PACKAGES.install()
    except UnavailableError as error:
        print(f"The servers from npm are not installed: {error}.", file=sys.stderr)  # noqa: T201 - says it to whoever typed it
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
