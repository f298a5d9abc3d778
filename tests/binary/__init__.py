"""What only the one-file program promises; run by `make test-binary`."""
