"""Escapes CSV cells so that a spreadsheet never runs a text as a formula."""

from typing import Any

FORMULA_STARTS = frozenset("=+-@\t\r\n＝＋－＠")


def cell(value: Any) -> Any:
    """A value as a cell: a text that a spreadsheet would compute is put behind an apostrophe (OWASP, "CSV injection").

    A name of a series is any text that a feed publishes. What is no text stays as it is, negative numbers among it.

    >>> cell("Corrib production"), cell("=1+1"), cell("-3.5"), cell(-3.5)
    ('Corrib production', "'=1+1", '-3.5', -3.5)
    """
    is_formula = isinstance(value, str) and value[:1] in FORMULA_STARTS and value != "" and not _is_number(value)
    return f"'{value}" if is_formula else value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text[0] in "+-" and text[-1].isdigit()
