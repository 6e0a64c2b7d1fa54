"""Routing and evaluation for pytest."""
