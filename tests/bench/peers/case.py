"""The words of the case, of the same length as in the floor."""

OPENING = "<request>\nRead the notice and plan to post a better one.\n</request>\n" + "Others may have answered. " * 40
NOTICE = "Welcome. " * 20


def system(number: int) -> str:
    """The system text of one agent."""
    return f"You are agent{number} of 2 agents who work on one request. " * 30
