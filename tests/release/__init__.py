"""Tests of the scripts that package and check a release."""
