"""Where records are kept: an append-only journal while the run goes on, a database afterwards."""
