"""What ends with the tests of this process: servers that they share, and their folders."""

import atexit
from contextlib import ExitStack

session_end = ExitStack()
"""Closed when the last test has ended (tests/conftest.py), or with the process where no pytest runs."""

atexit.register(session_end.close)
