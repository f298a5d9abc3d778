"""The part of the stand-in that finds libraries: there are none."""


def find_library(_: str) -> None:
    """Find nothing."""
