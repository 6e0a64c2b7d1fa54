"""Runs cases: from a request through router and backend to a record."""
