"""The same 2-agent case in other frameworks. They run in a virtual environment of their own: `make bench-peers`."""
