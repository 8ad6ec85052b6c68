"""The request that a pinpad serves, and how far the answer to it has come."""

from smartsale_emu.emulator.replies import Questions
from smartsale_emu.sa.events import Admission, Refused
from smartsale_emu.sa.tlv import Message
from smartsale_emu.terminal.events import FinalFate
from smartsale_emu.terminal.profile import Busy

ADMISSION_WHEN_BUSY = {
    Busy.TAKEOVER: Admission.ACK,
    Busy.NAK: Admission.NAK,
    Busy.IGNORE: Admission.IGNORE,
}
"""What the link does with a request that comes while another is served."""


class Session:
    """What is served, if anything. ``questions``: those to the cashier within it."""

    def __init__(self) -> None:
        self.questions = Questions()
        self._request: bytes | None = None  # its wire bytes
        self._final: Message | None = None  # waits until the tunnel is closed
        self._final_left = False

    @property
    def open(self) -> bool:
        """True while a request is served."""
        return self._request is not None

    def begin(self, request: bytes) -> None:
        """A request came, in these wire bytes."""
        self._request, self._final_left = request, False

    def end(self) -> None:
        """Nothing is served any more."""
        self._request, self._final = None, None
        self.questions = Questions()

    def answer(self, message: Message) -> None:
        """The final answer is known; it leaves when the tunnel is closed."""
        self._final = message

    def take_answer(self) -> Message | None:
        """Return the final answer that may leave now, once."""
        message, self._final = self._final, None
        return message

    def answer_left(self) -> None:
        """The first byte of the final answer is on the line."""
        self._final_left = True

    def is_repeat(self, request: bytes) -> bool:
        """Tell whether this is the request that is served, once more, before its answer left."""
        return request == self._request and not self._final_left

    def admits(self, request: bytes, *, idle: bool) -> bool:
        """Tell whether a request may come now: a repeat, or any when nothing is served any more.

        ``idle``: nothing is on the line; the answer's ACK may have come in the same bytes, just before.
        """
        over = not self.open or (self._final_left and idle)
        return over or self.is_repeat(request)

    @property
    def fate_of_left(self) -> FinalFate:
        """What became of the answer when the register has left."""
        return FinalFate.GONE if self._final_left else FinalFate.NEVER_LEFT


def fate_of_refused(refused: Refused) -> FinalFate:
    """Return what an EOT instead of an ACK tells of the final answer.

    Only who was sent the last block again may have the whole answer already.
    """
    repeat = refused.copy > 1 and refused.last_block
    return FinalFate.EOT_TO_REPEAT if repeat else FinalFate.EOT_TO_FIRST
