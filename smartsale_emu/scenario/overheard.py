"""What a register has asked and heard, as the line shows it: ours, a foreign one, or bytes of a story."""

from dataclasses import dataclass

from smartsale_emu.errors import TlvError
from smartsale_emu.register.effects import Answered, Because, NoAnswer, Outcome
from smartsale_emu.sa.fields import Tag
from smartsale_emu.sa.framing import Block, Frame, FrameDecoder
from smartsale_emu.sa.tlv import Message
from smartsale_emu.scenario.commands import Unit
from smartsale_emu.scenario.line_faults import unit_of

_KEPT = {
    "rrn": Tag.REFERENCE_NUMBER,
    "code": Tag.AUTHORIZATION_CODE,
    "number": Tag.TERMINAL_TRX_ID,
}


@dataclass(frozen=True, slots=True)
class Heard:
    """What a register heard of one request. ``answer``: None without one."""

    outcome: Outcome | None = None
    answer: Message | None = None
    waits: int = 0

    def values(self) -> dict[str, str]:
        """What later steps may refer to."""
        found = {name: self.text(tag) for name, tag in _KEPT.items()}
        amount = self.text(Tag.AMOUNT)
        if amount is not None and amount.isdigit():
            found["amount"] = f"{int(amount) // 100}.{int(amount) % 100:02d}"
        return {name: text for name, text in found.items() if text is not None}

    def text(self, tag: int) -> str | None:
        """Return the text of a field, None without it."""
        return self.answer.text(tag) if self.answer is not None else None


class Overheard:
    """Listens to the line: ``see`` is told every unit that an end sends, before the line harms it.

    An answer counts as heard when the register acknowledges it, whatever becomes of that acknowledgement.
    ``requests``: all of them, in their order, without repeats.
    """

    def __init__(self) -> None:
        self.requests: list[Message] = []
        self._outcome: Outcome | None = None
        self._final: Message | None = None
        self._chunks: dict[int, bytes] = {}
        self._waits = 0
        self._before: list[Heard] = []
        self._decoder = {True: FrameDecoder(), False: FrameDecoder()}

    @property
    def over(self) -> bool:
        """Whether no exchange is under way."""
        return not self.requests or self._outcome is not None

    def heard(self) -> Heard:
        """Return what the register heard of its last request."""
        answer = self._outcome.message if isinstance(self._outcome, Answered) else None
        return Heard(self._outcome, answer, self._waits)

    def exchanges(self) -> list[Heard]:
        """Return what it heard of every request, in their order."""
        return [*self._before, self.heard()] if self.requests else []

    def see(self, name: str, data: bytes, *, to_register: bool) -> None:
        """Take one unit of the line, by the name that `line_faults.LineFaults` gives it."""
        for unit in self._decoder[to_register].feed(data):
            message = self._message(unit, to_register=to_register)
            if message is not None:
                self._take(message, unit_of(message, to_register=to_register))
        if name == Unit.ACK_OF_FINAL and not to_register and self._final is not None:
            self._outcome = Answered(self._final)

    def renewed(self) -> None:
        """The register has a new line: what was cut off on the old one is the beginning of nothing."""
        self._decoder = {True: FrameDecoder(), False: FrameDecoder()}

    def closed(self) -> None:
        """The register closed its port."""
        if not self.over:
            self._outcome = NoAnswer(Because.VANISHED)

    def gone(self) -> None:
        """The pinpad lost its power, or closed its port."""
        if not self.over:
            self._outcome = NoAnswer(Because.PINPAD_GONE)

    def ended(self) -> None:
        """The pinpad's session is over, whatever the register still waits for."""
        if not self.over:
            self._outcome = NoAnswer(Because.ANSWER_LOST if self._final else Because.PINPAD_ENDED)

    def _take(self, message: Message, unit: Unit) -> None:
        match unit:
            case Unit.WAIT:
                self._waits += 1
            case Unit.FINAL:
                self._final = message
            case Unit.REQUEST:
                self._begin(message)
            case _:
                pass

    def _begin(self, message: Message) -> None:
        if not self.over and self.requests[-1] == message:
            return  # a repeat
        if not self.over:
            self._outcome = NoAnswer(Because.ASKED_ANEW)
        if self.requests:
            self._before.append(self.heard())
        self.requests.append(message)
        self._outcome = self._final = None
        self._chunks, self._waits = {}, 0

    def _block(self, number: int, chunk: bytes, *, last: bool) -> Message | None:
        """Take a block; a copy takes the place of the one before. Returns the message when it is whole."""
        if number == 1:
            self._chunks.clear()
        if not last:
            self._chunks[number] = chunk
            return None
        return Message.parse(b"".join(self._chunks[place] for place in sorted(self._chunks)) + chunk)

    def _message(self, unit: object, *, to_register: bool) -> Message | None:
        try:
            match unit:
                case Frame(data):
                    return Message.parse(data)
                case Block(number, last, chunk) if to_register:
                    return self._block(number, chunk, last=last)
                case _:
                    return None
        except TlvError:
            return None
