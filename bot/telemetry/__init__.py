"""What can be seen of the program from outside: health, metrics, logs and traces."""
