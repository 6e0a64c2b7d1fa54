"""What records teach: when a small model should stop, what that saved, which of two is better. Values only, no I/O."""
