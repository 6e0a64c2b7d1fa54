"""`python -m pytest_llmroute` is the command `llmroute`."""

from pytest_llmroute.cli.main import main

if __name__ == "__main__":
    main()
