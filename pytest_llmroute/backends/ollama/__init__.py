"""The backend `ollama`: models on an Ollama server, over its native protocol."""
