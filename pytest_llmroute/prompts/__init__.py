"""How prompts are written: placeholders, templates."""
