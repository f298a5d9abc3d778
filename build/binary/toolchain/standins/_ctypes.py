"""Stands in for the C half of ctypes; only its type, a module, is looked at."""
