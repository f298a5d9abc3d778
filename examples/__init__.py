"""Demos of the program, and the documents that they use."""
