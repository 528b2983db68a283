"""The Slack front end: events in, requests of the chat service out; cards in, Block Kit out."""
