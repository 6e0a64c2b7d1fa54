"""The faces that people know from other systems: thin, over the same router; no logic of their own."""
