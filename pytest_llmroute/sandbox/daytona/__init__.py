"""Tier 3: judge and solver together in sandboxes that Daytona runs. Nothing here is imported before it is chosen."""
