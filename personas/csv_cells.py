"""Texts in CSV cells: a spreadsheet that opens the file must not run what a file or a person is called.

A text that begins like a formula gets an apostrophe in front, which spreadsheets take as "this is text"
(https://owasp.org/www-community/attacks/CSV_Injection). So does one that begins with apostrophes and then like a
formula, so that taking one away again always gives the text back.
"""

from __future__ import annotations

import re

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_QUOTED = re.compile(r"'+[=+\-@\t\r]")


def to_cell(text: str) -> str:
    return f"'{text}" if _FORMULA.match(text) else text


def from_cell(cell: str) -> str:
    """What `to_cell` was given."""
    return cell[1:] if _QUOTED.match(cell) else cell
