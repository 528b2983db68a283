"""The outside world behind the ports: one module per vendor, each imported only when it is used."""
