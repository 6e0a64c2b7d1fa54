"""How prompts are told, and what replies hold: templates, formats, code."""
