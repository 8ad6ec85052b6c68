"""The frames of the tunnel: the pinpad asks the register for the bank (PROTOCOL.md, sections 5.2 and 9.2)."""

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, Self

from smartsale_emu.sa.codes import CommandMode, CommandResult, OperationCode
from smartsale_emu.sa.fields import Tag
from smartsale_emu.sa.tlv import Message


class _Form(NamedTuple):
    mode: CommandMode
    submode: int
    words: str


class Step(Enum):
    """The four requests of the pinpad: field 65, field 64, and what they are called."""

    OPEN = _Form(CommandMode.HOST_CONNECTION, 1, "open the connection to the bank")
    CLOSE = _Form(CommandMode.HOST_CONNECTION, 0, "close the connection to the bank")
    SEND = _Form(CommandMode.HOST_DATA, 0, "send to the bank")
    FETCH = _Form(CommandMode.HOST_DATA, 1, "fetch from the bank")

    @property
    def mode(self) -> CommandMode:
        """Field 65 of the request and of its reply."""
        return self.value.mode

    @property
    def submode(self) -> int:
        """Field 64 of the request."""
        return self.value.submode

    @property
    def words(self) -> str:
        """What the request asks for, in words."""
        return self.value.words

    def message(self, data: bytes | None = None) -> Message:
        """Return the request; ``data``: field 70, the address or bytes for the bank.

        >>> Step.FETCH.message().encode().hex(" ")
        '19 02 00 36 33 40 01 00 31 41 02 00 31 37'
        """
        fields: dict[int, str | bytes | int | None] = {
            Tag.OPERATION_CODE: int(OperationCode.USER_COMMAND),
            Tag.COMMAND_MODE: self.submode,
            Tag.COMMAND_MODE2: int(self.mode),
            Tag.FILE_DATA: data,
        }
        return Message.of(fields)


@dataclass(frozen=True, slots=True)
class TunnelReply:
    """What a reply of the register says. ``mode``, ``result``: None when missing or no number.

    ``data``: field 70, but only when it can be bytes of the bank; DualConnector puts something else into its
    reply to an open. Other fields are borne and not read.

    >>> TunnelReply.of(Message.of({25: 63, 65: 17, 67: 0, 70: b"from the bank"}))
    TunnelReply(mode=17, result=0)
    """

    mode: int | None
    result: int | None
    data: bytes = field(repr=False)

    @classmethod
    def of(cls, message: Message) -> Self:
        """Read a reply, whatever it holds."""
        mode, result = message.number(Tag.COMMAND_MODE2), message.number(Tag.COMMAND_RESULT)
        brought = mode == CommandMode.HOST_DATA and result == CommandResult.OK
        return cls(mode, result, (message.get(Tag.FILE_DATA) or b"") if brought else b"")

    @property
    def ok(self) -> bool:
        """The register did what was asked."""
        return self.result == CommandResult.OK

    def fits(self, step: Step) -> bool:
        """Tell whether this can answer such a request."""
        return self.mode == step.mode and self.result in (CommandResult.OK, CommandResult.ERROR)


def is_of_tunnel(message: Message) -> bool:
    """Tell whether a message is a request of the tunnel or a reply to one: field 25 = 63, 65 = 16 or 17.

    >>> is_of_tunnel(Message.of({25: 63, 65: 17, 67: 0})), is_of_tunnel(Message.of({25: 63, 65: 20}))
    (True, False)
    """
    return message.text(Tag.OPERATION_CODE) == _COMMAND and message.text(Tag.COMMAND_MODE2) in _MODES


_COMMAND = str(int(OperationCode.USER_COMMAND))
_MODES = frozenset(str(int(step.mode)) for step in Step)
