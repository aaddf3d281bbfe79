"""A cell of a Markdown table, escaped: the name of a series may be any text."""

import html

_ESCAPES = {ord(char): f"\\{char}" for char in "\\`*_[]|$"}


def markdown_cell(text: str) -> str:
    r"""The text so that Markdown shows its characters, on one line.

    >>> print(markdown_cell("a|b_c <b>\n& $x$"))
    a\|b\_c &lt;b&gt; &amp; \$x\$
    """
    escaped = html.escape(" ".join(text.splitlines()), quote=False)
    return escaped.translate(_ESCAPES)
