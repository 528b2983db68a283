"""Kill the real program at every point where it could die, and see what the world and the log say afterwards."""
