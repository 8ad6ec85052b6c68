"""The cashier of ``register``: answers given beforehand, or whoever sits at the keyboard."""

import os
import queue
import sys
import threading
from collections.abc import Iterable

from smartsale_emu.runtime.register_line import CashierWord


class ScriptedCashier:
    """Answers one question after the other; when the answers are used up, nobody is there.

    >>> cashier = ScriptedCashier(["123456"])
    >>> cashier.ask("Code?"), cashier.said(), cashier.ask("RRN?"), cashier.said()
    (None, CashierWord(text='123456', cancelled=False), None, CashierWord(text=None, cancelled=False))
    """

    def __init__(self, answers: Iterable[str]) -> None:
        self._answers = iter(answers)

    def ask(self, text: str) -> None:
        """See `Cashier.ask`; the question is shown, so that a log can be read."""
        print(f"? {text}", file=sys.stderr)

    def said(self) -> CashierWord | None:
        """See `Cashier.said`."""
        return CashierWord(next(self._answers, None))

    def withdraw(self) -> None:
        """See `Cashier.withdraw`."""


class KeyboardCashier:
    """The user at the terminal: a line is the answer, the end of input cancels the question.

    The keyboard is read by a thread without Python's own buffer, so that a question which nobody answers does
    not keep the program from ending. A line that was typed for a withdrawn question is lost.
    """

    def __init__(self) -> None:
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._reading = self._asked = False

    def ask(self, text: str) -> None:
        """See `Cashier.ask`."""
        print(f"? {text} (Enter: OK, Ctrl-D: cancel) ", end="", file=sys.stderr, flush=True)
        with self._lock:
            while not self._lines.empty():
                self._lines.get()
            self._asked = True
            if not self._reading:
                self._reading = True
                arguments = (sys.stdin.fileno(), sys.stdin.encoding or "utf-8")
                threading.Thread(target=self._read, args=arguments, name="cashier", daemon=True).start()

    def said(self) -> CashierWord | None:
        """See `Cashier.said`."""
        try:
            line = self._lines.get_nowait()
        except queue.Empty:
            return None
        self._asked = False
        return CashierWord("", cancelled=True) if line is None else CashierWord(line)

    def withdraw(self) -> None:
        """See `Cashier.withdraw`; the thread goes on reading, for the next question."""
        if self._asked:
            print("\n! the question was withdrawn", file=sys.stderr)
        self._asked = False

    def _read(self, descriptor: int, encoding: str) -> None:
        """Hand on line after line until the end of input."""
        while data := self._line(descriptor):
            self._lines.put(data.decode(encoding, errors="replace").strip())
        with self._lock:
            self._reading = False
            self._lines.put(None)

    @staticmethod
    def _line(descriptor: int) -> bytes:
        try:
            return os.read(descriptor, 1024)
        except OSError:
            return b""
