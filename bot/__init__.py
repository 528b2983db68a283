"""What people see and type: the command line, the cards, and a front end per chat product."""
