"""Workers are killed, frozen and cut off, and the database goes away, while approved calls are under way."""
