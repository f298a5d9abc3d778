"""Bytes to a document: YAML as its 1.2 core schema types it, with the position of every value.

`text` decodes the bytes, `scanner` reads the syntax with PyYAML, `composer` builds the value by the types of `schema`,
and `reader` puts what is refused into words.
"""

from exec_cf.document.model import LIMITS, Document, Limits, Position, Value
from exec_cf.document.reader import read
from exec_cf.document.schema import describe

__all__ = ["LIMITS", "Document", "Limits", "Position", "Value", "describe", "read"]
