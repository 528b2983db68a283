"""What people see, as pure functions of a run's log."""
