"""The plugin proper: pytest's hooks turned into values, and back into reports."""
