"""The gate: whether a run is worse than what it is compared with, by more than luck explains."""
