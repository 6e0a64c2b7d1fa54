"""Frozen values that everything else passes around; no I/O here."""
