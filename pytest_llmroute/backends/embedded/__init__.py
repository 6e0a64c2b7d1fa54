"""Models in a worker process of their own, run by llama.cpp from the package xllamacpp; no server is needed."""
