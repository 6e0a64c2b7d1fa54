"""One summary value of a run, and its forms: terminal and JSON."""
