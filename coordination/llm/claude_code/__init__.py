"""Claude Code as a model: a program of its own for every conversation."""
