"""The command line `llmroute`: one file per verb, loaded when it is called. pytest is the runner; there is no `run`."""
