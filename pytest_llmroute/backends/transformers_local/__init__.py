"""Models of the Hugging Face hub and of local folders, run in this process by transformers and torch."""
