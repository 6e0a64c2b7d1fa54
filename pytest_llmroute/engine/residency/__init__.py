"""Which models are in memory when: waves planned beforehand, and what to do next while calls come and go. No I/O."""
