"""Task files: cases written as data, and the checks that judge their replies."""
