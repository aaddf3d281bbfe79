"""Attacks on every operation of the app's OpenAPI document: queries and bodies made of its fields, at every size."""

from collections.abc import Iterator
from typing import Any

from benchmarks.hostile.attack import HEADER_BYTES, KIB, SIZES, Attack
from serve.http.strict_json import INPUTS_PATH, MAX_RANGE_BYTES


def attacks_on_operation(
    path: str, method: str, operation: dict[str, Any], document: dict[str, Any]
) -> Iterator[Attack]:
    """What its parameters and its body may hold, and what no schema asks for."""
    yield from _queries(path, method, [parameter["name"] for parameter in operation.get("parameters", [])])
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        yield Attack("a body nobody asked for", method, path, b"[" + b"{}," * (SIZES[-1] // 3) + b"{}]")
        return
    for size in SIZES if path == INPUTS_PATH else (MAX_RANGE_BYTES - KIB,):
        for what, body in _bodies(_fields(content["schema"], document), size):
            yield Attack(f"{what}, {size // KIB} KiB", method, path, body)


def _fields(schema: dict[str, Any], document: dict[str, Any]) -> list[str]:
    """Names of the fields at the top of a body, of each kind that it may be."""
    if "$ref" in schema:
        return _fields(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    kinds = [*schema.get("oneOf", []), *schema.get("anyOf", [])]
    return [*schema.get("properties", {}), *(name for kind in kinds for name in _fields(kind, document))]


def _queries(path: str, method: str, names: list[str]) -> Iterator[Attack]:
    for name in [*names, "unknown"]:
        for what, query in {
            "a long value": f"{name}=" + "x" * HEADER_BYTES,
            "thousands of values": "&".join([f"{name}="] * (HEADER_BYTES // (len(name) + 2))),
            "thousands of names": "&".join(f"{n:x}=" for n in range(HEADER_BYTES // 6)),
        }.items():
            yield Attack(f"{name}: {what}", method, f"{path}?{query}")


def _bodies(fields: list[str], size: int) -> Iterator[tuple[str, bytes]]:
    for what, grown in _grown(size):
        yield f"the body is {what}", grown
    for name in fields:
        for what, grown in _grown(size):
            yield f"{name} is {what}", b'{"%b":%b}' % (name.encode(), grown)
            yield (
                f"a range and {name} is {what}",
                b'{"start":"2023-07-01","end":"2023-07-15","%b":%b}' % (name.encode(), grown),
            )
    repeated = b",".join(b'"%x":0' % n for n in range(size // 9))
    yield "a field twice, at the end", b'{%b,"0":0,"end":":"}' % repeated
    yield "a field twice, at the end of the last row", b'{"inputs":[{%b,"0":0,"x":":"}]}' % repeated


def _grown(size: int) -> Iterator[tuple[str, bytes]]:
    """Values that fill so many bytes: each is the most of one kind that JSON can say in them."""
    lists = {"{}": b"{}", "[]": b"[]", "texts": b'"ab"', "null": b"null", "numbers": b"0.5", "rows": b'{"a":0}'}
    for what, item in lists.items():
        yield f"a list of {what}", b"[" + b",".join([item] * (size // (len(item) + 1))) + b"]"
    yield "an object of fields", b"{" + b",".join(b'"%x":0' % n for n in range(size // 9)) + b"}"
    yield "an object of objects", b"{" + b",".join(b'"%x":{"%x":0}' % (n, n) for n in range(size // 20)) + b"}"
    yield "nested lists", b"[" * (size // 2) + b"]" * (size // 2)
    yield "lists nested 900 deep", b"[" + b",".join([b"[" * 900 + b"]" * 900] * max(1, size // 1801)) + b"]"
    yield "a long text", b'"' + b"x" * size + b'"'
    yield "a wide text", '"😀'.encode() + b"x" * size + b'"'
    yield "an escaped text", b'"' + b"\\u00e9" * (size // 6) + b'"'
    yield "a long number", b"9" * size
    yield "a long fraction", b"0." + b"9" * size
