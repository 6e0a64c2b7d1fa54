"""Registers pytester for this project's own tests."""

pytest_plugins = ["pytester"]
