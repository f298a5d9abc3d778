"""Scenes that show the program at work, and the documents that they use."""
