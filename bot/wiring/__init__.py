"""The composition root: the only place where real parts are joined. Each command opens no more than it needs."""
