"""How the product's code is laid out: modules a package, lines a file and a function, comments, helpers used once.

`make house` prints the table; `python -m benchmarks.house FOLDER` does so for another checkout, to compare.
"""

import ast
import io
import statistics
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

PRODUCT = ("forecasting_platform", "serve")
MAX_MODULES, MAX_FILE_LINES, MAX_SHARE_USED_ONCE = 15, 300, 0.18
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def modules(root: Path) -> dict[Path, str]:
    """The product's Python files below a checkout, relative path -> text."""
    paths = sorted(path for name in PRODUCT for path in (root / name).rglob("*.py"))
    return {path.relative_to(root): path.read_text(encoding="utf-8") for path in paths}


def function_lines(tree: ast.AST) -> Iterator[int]:
    """Lines of each function without its docstring, nested ones too."""
    for node in ast.walk(tree):
        if isinstance(node, FUNCTIONS):
            documented = ast.get_docstring(node, clean=False) is not None
            docstring = node.body[0].end_lineno - node.body[0].lineno + 1 if documented else 0
            yield node.end_lineno - node.lineno + 1 - docstring


def comment_lines(text: str) -> int:
    """Lines with a comment that is not an instruction to a tool."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = (token.string for token in tokens if token.type == tokenize.COMMENT)
    return sum(not comment.startswith(("# type:", "# noqa", "#!", "# pragma")) for comment in comments)


def code_lines(text: str) -> int:
    """Lines that are neither empty nor only a comment; docstrings count."""
    return sum(bool(line.strip()) and not line.lstrip().startswith("#") for line in text.splitlines())


def private_helpers(tree: ast.AST) -> Iterator[tuple[int, bool]]:
    """How often each private function of a module is named in it, beside its definition, and whether it is a line.

    One statement without a docstring may be no more than what its caller could say.
    """
    named = Counter(
        node.id if isinstance(node, ast.Name) else node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Name | ast.Attribute)
    )
    for node in ast.walk(tree):
        if isinstance(node, FUNCTIONS) and node.name.startswith("_") and not node.name.startswith("__"):
            yield named[node.name], len(node.body) == 1 and not node.decorator_list


def table(files: dict[Path, str]) -> list[tuple[str, str]]:
    """What is counted and how much it is, with the aim where there is one."""
    trees = {path: ast.parse(text) for path, text in files.items()}
    packages = Counter(str(path.parent) for path in files if path.name != "__init__.py")
    lengths = {str(path): text.count("\n") for path, text in files.items()}
    functions = sorted(lines for tree in trees.values() for lines in function_lines(tree))
    helpers = [found for tree in trees.values() for found in private_helpers(tree)]
    lines_of_code = sum(map(code_lines, files.values()))
    long_files = {path: lines for path, lines in lengths.items() if lines > MAX_FILE_LINES}
    full = {package: count for package, count in packages.items() if count > MAX_MODULES}
    once = [is_line for uses, is_line in helpers if uses == 1]
    return [
        ("files", str(len(files))),
        ("lines", str(sum(lengths.values()))),
        ("modules a package, most", ", ".join(f"{name} {count}" for name, count in packages.most_common(5))),
        (f"packages over {MAX_MODULES} modules", str(len(full))),
        (
            f"files over {MAX_FILE_LINES} lines",
            f"{len(long_files)}: "
            + ", ".join(
                f"{path} {lines}" for path, lines in sorted(long_files.items(), key=lambda item: -item[1])[:30]
            ),
        ),
        (
            "lines a function: median, 9 of 10, longest",
            f"{statistics.median(functions):.0f}, {functions[len(functions) * 9 // 10]}, {functions[-1]}",
        ),
        ("functions", str(len(functions))),
        (
            f"private functions used once (at most {MAX_SHARE_USED_ONCE:.0%})",
            f"{len(once)} of {len(functions)}: {len(once) / len(functions):.1%}",
        ),
        ("of them of one statement, without a docstring", str(sum(once))),
        ("private functions", f"{len(helpers)}"),
        ("comments in 100 lines of code", f"{100 * sum(map(comment_lines, files.values())) / lines_of_code:.1f}"),
    ]


def main() -> None:
    """Print the table."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    if not (files := modules(root)):
        sys.exit(f"there is no Python file of {' or '.join(PRODUCT)} below {root.resolve()}; name a checkout")
    rows = table(files)
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:<{width}}  {value}")


if __name__ == "__main__":
    main()
