"""Reads YAML 1.2 (core schema) into a document: its value, and the position of every part.

`text` decodes the bytes, `scanner` parses the syntax with PyYAML, `composer` builds the value with the types of
`schema`, and `reader` puts it together and words the syntax errors.
"""

from exec_cf.document.model import LIMITS, Document, Limits, Position, Value
from exec_cf.document.reader import read
from exec_cf.document.schema import describe

__all__ = ["LIMITS", "Document", "Limits", "Position", "Value", "describe", "read"]
