"""The way to the desk, which opens after the connection is made, and closes before it ends."""

from collections.abc import Callable
from typing import TypeAlias

from bot.chat.platform import Desk

DeskLine: TypeAlias = Callable[[], Desk]
"""Gives the desk.

Raises:
    StorageError: it is not open; the text asks for patience.
"""
