"""The stack and the memo of the pickle machine, with what opcodes do to these alone."""

from __future__ import annotations

from typing import Any

from nbslim.analyzer.made import STATE, Global, Made

_MARK = object()


class Stack:
    """Items are texts and numbers, `DATA`, tuples, and what loading would make."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        """The stack, its last item on top."""
        self._memo: dict[int, Any] = {}

    def mark(self, _: Any) -> None:
        """Begin what an opcode takes as a whole."""
        self.items.append(_MARK)

    def pop(self, _: Any) -> None:
        """Drop what was made; a call of two whose result nobody wants sets the state of the first to the second."""
        made = self.items.pop()
        arguments = made.get("arguments") if isinstance(made, Made) else None
        if isinstance(arguments, tuple) and len(arguments) == 2 and isinstance(arguments[0], Made):
            arguments[0].add(STATE, arguments[1])

    def duplicate(self, _: Any) -> None:
        """Repeat the last item."""
        self.items.append(self.items[-1])

    def get(self, index: int) -> None:
        """Repeat what the memo holds."""
        self.items.append(self._memo[index])

    def put(self, index: int) -> None:
        """Keep the last item in the memo."""
        self._memo[index] = self.items[-1]

    def memoize(self, _: Any) -> None:
        """Keep the last item in the memo, under the next number."""
        self._memo[len(self._memo)] = self.items[-1]

    def tuple_of(self, count: int) -> None:
        """Make a tuple of the last items."""
        items = tuple(self.items.pop() for _ in range(count))
        self.items.append(items[::-1])

    def tuple_to_mark(self, _: Any) -> None:
        """Make a tuple of all items above the mark."""
        self.items.append(self.pop_to_mark())

    def container(self, _: Any) -> None:
        """Make an empty container."""
        self.items.append(Made())

    def list_to_mark(self, _: Any) -> None:
        """Make a list of all items above the mark."""
        items = self.pop_to_mark()
        self.items.append(Made())
        self._append(items)

    def dict_to_mark(self, _: Any) -> None:
        """Make a table of the keys and values above the mark."""
        items = self.pop_to_mark()
        self.items.append(Made())
        self._set_items(items)

    def append(self, _: Any) -> None:
        """Put the last item into the container before it."""
        self._append((self.items.pop(),))

    def append_to_mark(self, _: Any) -> None:
        """Put all items above the mark into the container before it."""
        self._append(self.pop_to_mark())

    def set_item(self, _: Any) -> None:
        """Put the last key and value into the table before them."""
        value, key = self.items.pop(), self.items.pop()
        self._set_items((key, value))

    def set_items_to_mark(self, _: Any) -> None:
        """Put the keys and values above the mark into the table before it."""
        self._set_items(self.pop_to_mark())

    def _append(self, items: tuple[Any, ...]) -> None:
        target = self.items[-1]
        if not isinstance(target, Made):
            return
        for index, item in enumerate(items, target.length):
            if isinstance(item, (Made, Global, tuple)):  # a list of numbers or texts may be long
                target.parts.append((index, item))
        target.length += len(items)

    def _set_items(self, items: tuple[Any, ...]) -> None:
        target = self.items[-1]
        if isinstance(target, Made):
            for key, value in zip(items[::2], items[1::2]):
                target.add(key, value)
                if isinstance(key, (Made, Global, tuple)):
                    target.parts.append((None, key))

    def pop_to_mark(self) -> tuple[Any, ...]:
        """Take all items above the last mark, and the mark."""
        items = []
        while (item := self.items.pop()) is not _MARK:
            items.append(item)
        return tuple(reversed(items))
