"""Recognizes pickles, which run code when they are read: no stored model may hold one."""

import bz2
import io
import lzma
import pickletools
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from forecasting_platform.errors import ForecastingPlatformError

BEGINNING = 64
"""Bytes that are unpacked to recognize a pickle."""


class PickleError(ForecastingPlatformError, ValueError):
    """What a candidate stores is a pickle."""

    def __init__(self, candidate: str, field: str) -> None:
        self.candidate = candidate
        self.field = field
        super().__init__(
            f"{field!r} of the candidate {candidate!r} is a pickle, which runs code when it is read: store arrays, "
            "JSON, ONNX, or a library's own text format"
        )


def is_pickle(content: bytes) -> bool:
    """Whether bytes are a pickle of any protocol, also one that joblib or cloudpickle wrote.

    >>> import pickle
    >>> [is_pickle(content) for content in (pickle.dumps([1.0]), pickle.dumps({}, 0), b"tree version=v4", b"")]
    [True, True, False, False]
    """
    content = _unpacked(content)
    # Protocols from 2 on begin with their number; no text and no ONNX begins so.
    if content[:1] == b"\x80" and content[1:2] in {b"\x02", b"\x03", b"\x04", b"\x05", b"\x06"}:
        return True
    if not content.rstrip().endswith(b"."):
        return False
    try:
        for _ in pickletools.genops(content):
            pass
    except (ValueError, IndexError, OverflowError):
        return False
    return True


def _unpacked(content: bytes) -> bytes:
    """The beginning of what is packed in a way that joblib and torch pack pickles; other bytes as they are."""
    try:
        if content[:1] == b"\x78" or content[:2] == b"\x1f\x8b":
            # 32 is added for either header, zlib's or gzip's.
            return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(content, BEGINNING)
        if content[:3] == b"BZh":
            return bz2.BZ2Decompressor().decompress(content, BEGINNING)
        if content[:6] == b"\xfd7zXZ\x00" or content[:1] == b"\x5d":
            return lzma.LZMADecompressor().decompress(content, BEGINNING)
        if content[:4] == b"PK\x03\x04":
            with zipfile.ZipFile(io.BytesIO(content)) as packed:
                inside = [name for name in packed.namelist() if name.endswith((".pkl", ".pickle"))]
                return packed.open(inside[0]).read(BEGINNING) if inside else content
    except (zlib.error, OSError, EOFError, ValueError, lzma.LZMAError, zipfile.BadZipFile):
        pass
    return content


def refuse_pickles(candidate: str, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Refuse arrays that hold a pickle or Python's objects.

    Raises:
        PickleError: there is one; names the candidate and its field.
    """
    for field, values in arrays.items():
        # Bytes are stored as whole numbers of one byte; numbers of more are no text of a pickle.
        if values.dtype.hasobject or (values.dtype.itemsize == 1 and is_pickle(values.tobytes())):
            raise PickleError(candidate, field)
