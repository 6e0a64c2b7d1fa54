"""From a request to a decision: which model answers, and why. No I/O here."""
