"""Black-box tests of the Worker; README.md maps what is promised to them."""
