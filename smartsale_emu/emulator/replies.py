"""What the register says within an operation: replies of tunnel and cashier (PROTOCOL.md, section 0.1)."""

from smartsale_emu.sa.codes import OperationCode
from smartsale_emu.sa.fields import Tag
from smartsale_emu.sa.tlv import Message
from smartsale_emu.sa.tunnel_frames import is_of_tunnel
from smartsale_emu.terminal.events import CashierReplied

_QUESTION = str(int(OperationCode.CASHIER_QUESTION))


def is_reply(message: Message) -> bool:
    """Tell whether a message belongs to the running operation and is never another request."""
    return is_of_tunnel(message) or message.text(Tag.OPERATION_CODE) == _QUESTION


def question(text: str) -> Message:
    """Return a question to the cashier."""
    return Message.of({Tag.OPERATION_CODE: _QUESTION, Tag.CASHIER_REQUEST: text})


class Questions:
    """The question to the cashier that is open, and the reply before: a copy of it answers no other question.

    A register whose reply was not acknowledged sends it again, perhaps after it has taken the next question.
    """

    def __init__(self) -> None:
        self.open = self.delivered = False
        self._asked = self._answered = ""
        self._last_reply = b""

    def ask(self, text: str) -> None:
        """A question is on its way."""
        self.open, self.delivered, self._asked = True, False, text

    def answered_by(self, message: Message, wire: bytes) -> CashierReplied | None:
        """Return the cashier's word if this answers the open question; then none is open any more."""
        another = self._asked != self._answered
        copy = wire == self._last_reply and (another or not self.delivered)
        if not self.open or copy or message.text(Tag.OPERATION_CODE) != _QUESTION:
            return None
        self.open, self._last_reply, self._answered = False, wire, self._asked
        return CashierReplied(message.number(Tag.COMMAND_RESULT), message.text(Tag.CASHIER_RESPONSE) or "")
