"""Claude, by the official SDK."""
