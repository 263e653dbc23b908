"""The wire format of protocol buffers, read strictly: a field outside the table of its message is refused, not skipped.

Unknown fields, repeated singular fields (which parsers merge or override), numbers in a longer form than necessary, and
groups are refused, so no other parser can see another message in the same bytes. The protobuf library accepts all of
these, and importing it with onnx costs more than a whole command (see `gate`).
The format: https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

MAX_FIELDS = 200_000
"""Most fields of a message and its inner messages together; bounds the reading time."""

VARINT, FIXED64, DELIMITED, FIXED32 = 0, 1, 2, 5
NAME_BYTES = 4096
"""Bytes of the longest text."""


class WireError(ValueError):
    """The bytes are not a message of the expected type: a sentence, then the messages around, inner ones first."""


@dataclass(frozen=True)
class Field:
    """A field of a message.

    kind   int (int64), float, text, data (a memoryview, not copied), the table of an inner message, or refused, for a
           field with a name to say that no message may have it
    many   True for a repeated field, packed or not
    """

    name: str
    kind: str | Table
    many: bool = False


Table: TypeAlias = Mapping[int, Field]
Message: TypeAlias = dict[str, Any]
"""Values by field name, lists for repeated fields; absent fields are missing."""


def read_message(data: bytes | bytearray, table: Table) -> Message:
    """Return the message in `data`; raises `WireError`."""
    return _Reader(memoryview(data)).message(0, len(data), table)


class _Reader:
    """Where reading stands: the bytes, and how many more fields may come."""

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.left = MAX_FIELDS

    def message(self, at: int, end: int, table: Table) -> Message:
        """Return the message in data[at:end]."""
        found: Message = {}
        while at < end:
            self.left -= 1
            if self.left < 0:
                raise WireError(f"it has more than {MAX_FIELDS:,} fields")
            tag, at = self.varint(at, end)
            field = table.get(tag >> 3)
            if field is None:
                raise WireError(f"it has a field {tag >> 3} that is not allowed")
            if field.kind == "refused":
                raise WireError(f"it has {field.name}, which is not allowed")
            try:
                at = self.value(at, end, tag & 7, field, found)
            except WireError as error:
                raise WireError(error.args[0], *error.args[1:], found) from error
        return found

    def value(self, at: int, end: int, wire: int, field: Field, found: Message) -> int:
        """Put the value at data[at] into `found`, and return the end of the value."""
        if not field.many and field.name in found:
            raise WireError(f"{field.name} is there twice")
        if field.kind == "int" and wire == VARINT:
            number, at = self.varint(at, end)
            return _keep(found, field, [_signed(number)], at)
        if field.kind == "float" and wire == FIXED32:
            self.check(at + 4, end)
            return _keep(found, field, list(struct.unpack_from("<f", self.data, at)), at + 4)
        if wire != DELIMITED:
            raise WireError(f"{field.name} is of another type")
        size, at = self.varint(at, end)
        stop = at + size
        self.check(stop, end)
        return _keep(found, field, self.delimited(at, stop, field), stop)

    def delimited(self, at: int, stop: int, field: Field) -> list[Any]:
        """Return the content of data[at:stop]: a text, a message, bytes, or several numbers."""
        if field.kind == "data":
            return [self.data[at:stop]]
        if field.kind == "text":
            if stop - at > NAME_BYTES:
                raise WireError(f"{field.name} is longer than {NAME_BYTES} bytes")
            try:
                return [str(self.data[at:stop], "utf-8")]
            except UnicodeDecodeError:
                raise WireError(f"{field.name} is not UTF-8") from None
        if field.kind == "int" and field.many:
            return self.packed(at, stop)
        if isinstance(field.kind, str):
            raise WireError(f"{field.name} is of another type")
        return [self.message(at, stop, field.kind)]

    def packed(self, at: int, stop: int) -> list[int]:
        """Return the whole numbers in data[at:stop]."""
        numbers = []
        while at < stop:
            self.left -= 1
            if self.left < 0:
                raise WireError(f"it has more than {MAX_FIELDS:,} fields")
            number, at = self.varint(at, stop)
            numbers.append(_signed(number))
        return numbers

    def varint(self, at: int, end: int) -> tuple[int, int]:
        """Return the number at data[at], of at most 64 bits in its shortest form, and its end."""
        number = shift = 0
        while at < end and shift < 70:
            byte = self.data[at]
            at += 1
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                if number >= 1 << 64 or (byte == 0 and shift):
                    break
                return number, at
            shift += 7
        raise WireError("a number is cut short or longer than it need be")

    def check(self, stop: int, end: int) -> None:
        """Raise `WireError` where a value would end behind its message."""
        if stop > end:
            raise WireError("it is cut short")


def _keep(found: Message, field: Field, values: list[Any], at: int) -> int:
    if field.many:
        found.setdefault(field.name, []).extend(values)
    else:
        found[field.name] = values[0]
    return at


def _signed(number: int) -> int:
    return number - (1 << 64) if number >= 1 << 63 else number
