"""A register's timers, and the ways in which registers of the field differ from a tidy one."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from smartsale_emu.sa.events import LinkTiming
from smartsale_emu.units import Millis

REGISTER_LINK: Final = LinkTiming(ack_timeout=Millis(5000))
"""A register waits 5 s for an ACK and sends three times."""

PACKET: Final = Millis(45_000)
TOTAL: Final = Millis(180_000)
AT_ONCE: Final = Millis(0)

MAX_FETCH: Final = 4096
"""Bytes of the bank in one reply; what is more waits for the next fetch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterTiming:
    """``packet``: the longest silence of the pinpad; ``total``: the longest exchange. Milliseconds.

    The silence counts while it is the pinpad's turn: not while it awaits the bank or the cashier from us.
    """

    link: LinkTiming = REGISTER_LINK
    packet: Millis = PACKET
    total: Millis = TOTAL


class FinalHabit(StrEnum):
    """What a register says to the final answer."""

    ACK = "ack"
    ACK_EOT = "ack+eot"
    EOT = "eot"
    NONE = "none"  # the answer is lost on the way


class TunnelAct(StrEnum):
    """What a register does wrong when the pinpad uses its channel."""

    REFUSE = "refuse"  # 67 = 1
    STALL = "stall"  # ACKs the request and never replies
    GARBLE = "garble"  # a reply whose field 67 is no number
    VANISH = "vanish"  # not a byte more, an open connection to the bank is closed


@dataclass(frozen=True, slots=True)
class TunnelHabit:
    """One misdeed. ``step``: at which request of the pinpad to its channel, from 1; repeats do not count.

    ``done``: the register did what was asked before it misbehaves, so the bank may have the bytes; else it
    misbehaves instead, and a register that vanishes does not even ACK.
    """

    step: int
    act: TunnelAct
    done: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How a register differs from a tidy one. Delays in milliseconds.

    ``ack_delay``: before every ACK. ``open_delay``, ``fetch_delay``: before the reply to "open" and to
    "fetch"; 16 s and 7 s were seen (PROTOCOL.md, section 9.2). ``fetch_size``: of the bytes in such a reply.
    """

    final: FinalHabit = FinalHabit.ACK
    ack_delay: Millis = AT_ONCE
    byte_by_byte: bool = False
    open_delay: Millis = AT_ONCE
    fetch_delay: Millis = AT_ONCE
    fetch_size: int = MAX_FETCH
    tunnel: TunnelHabit | None = None
