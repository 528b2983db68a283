"""A decision that was given in advance."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Order:
    """A yes or a no to whatever plan comes; it is said of the digest that was shown, once."""

    approves: bool
    reason: str = ""
