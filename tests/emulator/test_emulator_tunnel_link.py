"""The tunnel on a link of its own: blocks of 500 bytes, and they come whole."""

from tunnel_line import ADDRESS, BankEvent, replied

from smartsale_emu.emulator.tunnel import (
    Say,
    Tell,
    Tunnel,
    TunnelEffect,
    TunnelToken,
)
from smartsale_emu.sa.events import Delivered, LinkEvent, Received, Started, Transmit
from smartsale_emu.sa.link import Link
from smartsale_emu.sa.tlv import Message
from smartsale_emu.sa.tunnel_frames import Step
from smartsale_emu.terminal.events import BankAsked
from smartsale_emu.units import Millis


class RealLines:
    """The tunnel on a link of its own, a register's link at the other end of a wire; no time passes."""

    def __init__(self) -> None:
        self.pinpad, self.register, self.tunnel = Link(), Link(), Tunnel(ADDRESS)
        self.wires: list[bytes] = []
        self.to_pinpad: list[bytes] = []
        self.heard: list[Message] = []
        self.told: list[BankEvent] = []

    def do(self, effects: list[TunnelEffect]) -> None:
        for effect in effects:
            if isinstance(effect, Say):
                size = 500 if effect.data else None
                self.at_pinpad(self.pinpad.send(effect.message, NOW, effect.token, block_size=size))
            elif isinstance(effect, Tell):
                self.told.append(effect.event)

    def at_pinpad(self, events: list[LinkEvent]) -> None:
        for event in events:
            match event:
                case Transmit(data):
                    self.wires.append(data)
                    self.at_register(self.register.receive(data, NOW))
                case Started(TunnelToken() as token):
                    self.do(self.tunnel.sent(token))
                case Delivered(TunnelToken() as token):
                    self.do(self.tunnel.delivered(token, NOW))
                case Received(message):
                    self.do(self.tunnel.reply(message, NOW))

    def at_register(self, events: list[LinkEvent]) -> None:
        self.to_pinpad += [event.data for event in events if isinstance(event, Transmit)]
        self.heard += [event.message for event in events if isinstance(event, Received)]

    def run(self) -> None:
        while self.to_pinpad:
            self.at_pinpad(self.pinpad.receive(self.to_pinpad.pop(0), NOW))

    def answer(self, step: Step) -> None:
        self.at_register(self.register.send(replied(step), NOW, "reply"))
        self.run()


NOW = Millis(0)


def test_data_leave_in_blocks_of_500_bytes_and_come_whole() -> None:
    payload = bytes(range(256)) * 5
    lines = RealLines()
    lines.do(lines.tunnel.call(1, payload, NOW))
    lines.run()
    lines.answer(Step.OPEN)
    assert [len(wire) for wire in lines.wires if wire[0] == 1] == [500, 500, 342]
    assert [message.get(70) for message in lines.heard] == [ADDRESS.encode(), payload]
    assert lines.told == [BankAsked(1)]
    lines.answer(Step.SEND)
    assert lines.heard[-1] == Step.FETCH.message()
