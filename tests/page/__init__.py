"""The Worker's page in a real Chromium."""
