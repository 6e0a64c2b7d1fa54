"""For authors of extensions: what every backend must do, as tests to inherit from."""

from pytest_llmroute.testing.conformance import BackendConformance, Opened

__all__ = ["BackendConformance", "Opened"]
