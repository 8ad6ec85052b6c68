"""The pinpad's own ways to its bank (Document, 1.3), and profiles and layouts that are a user's files."""

import contextlib
import json
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("SIGTERM and pseudo-terminals are not Windows's", allow_module_level=True)

from e2e_kit import DEADLINE, PACKAGE_PARENT, QUICK, Desk, Server, bank, bank_kept, pinpad, settled, until

RECEIPTS = PACKAGE_PARENT / "smartsale_emu" / "payment" / "receipts"


def nobodys_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"tcp:127.0.0.1:{server.getsockname()[1]}"


def heard(trace: Path) -> int:
    """Count what a bank was asked."""
    return len(trace.read_text(encoding="utf-8").splitlines()) if trace.exists() else 0


def test_the_backup_bank_serves_while_the_primary_is_down_and_no_longer(tmp_path: Path) -> None:
    trace, other_trace, primary = tmp_path / "primary.jsonl", tmp_path / "backup.jsonl", nobodys_port()
    with bank(tmp_path / "backup", "--trace", str(other_trace)) as backup:
        hosts = ("--host", primary, "--host", backup.port)
        with pinpad(tmp_path / "pinpad", *QUICK, *hosts) as server:
            desk = Desk(server.port)
            desk.done("test")
            assert (heard(trace), heard(other_trace)) == (0, 1)
            with bank(tmp_path / "primary", "--listen", primary, "--trace", str(trace)):
                desk.done("test")
                assert (heard(trace), heard(other_trace)) == (1, 1)
            desk.done("test")
            assert (heard(trace), heard(other_trace)) == (1, 2)
        assert json.loads(trace.read_text(encoding="utf-8"))["request"]["step"] == "network"


def test_both_banks_down_is_no_connection_and_nothing_to_undo(tmp_path: Path) -> None:
    with pinpad(tmp_path / "state", *QUICK, "--host", nobodys_port(), "--host", nobodys_port()) as server:
        assert Desk(server.port).refused(34, "sale", "12")[19] == "НЕТ СВЯЗИ"
        assert settled(tmp_path / "state")


class Relay:
    """A TCP port that passes everything on to a bank, and counts the connections."""

    def __init__(self, port: str) -> None:
        host, _, number = port.removeprefix("tcp:").rpartition(":")
        self._bank = (host, int(number))
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = f"tcp:127.0.0.1:{self._server.getsockname()[1]}"
        self.connections = 0
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        """End it, when its clients have gone."""
        self._server.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:  # the first one may still add to them
            thread.join(DEADLINE)
            assert not thread.is_alive()
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                self.connections += 1
                self._threads.append(threading.Thread(target=self._serve, args=(client,)))
                self._threads[-1].start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._bank) as there:
            back = threading.Thread(target=self._pass_on, args=(there, client))
            back.start()
            self._pass_on(client, there)
            back.join()

    @staticmethod
    def _pass_on(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


@pytest.fixture
def own_bank(tmp_path: Path) -> Iterator[Server]:
    with bank(tmp_path / "bank") as server:
        yield server


@pytest.mark.parametrize(
    ("options", "connections"), [((), 4), (("--keep-connection",), 1)], ids=["anew", "kept"]
)
def test_a_connection_for_every_call_or_one_for_all(
    options: tuple[str, ...], connections: int, own_bank: Server, tmp_path: Path
) -> None:
    with contextlib.closing(Relay(own_bank.port)) as relay:
        with pinpad(tmp_path / "pinpad", *QUICK, "--host", relay.port, *options) as server:
            desk = Desk(server.port)
            sale = desk.done("sale", "12")
            desk.done("void", "12", *sale.reference)
            desk.done("test")
            desk.done("settlement")
        assert relay.connections == connections


def test_a_kept_connection_that_the_bank_gave_up_is_replaced_in_silence(tmp_path: Path) -> None:
    port = nobodys_port()
    with pinpad(tmp_path / "pinpad", *QUICK, "--host", port, "--keep-connection") as server:
        desk = Desk(server.port)
        for count in (1, 2):
            with bank(tmp_path / "bank", "--listen", port):
                desk.done("sale", "12")
                until(lambda: settled(tmp_path / "pinpad"), "the ACK of the final")
            assert bank_kept(tmp_path / "bank") == (count, 1200 * count)


# --- files of the user -------------------------------------------------------------------------------------


def test_profiles_and_a_layout_of_ones_own(tmp_path: Path) -> None:
    """Each is a file that holds what differs from one of ours."""
    terminal, host, slips = (tmp_path / f"{name}.toml" for name in ("terminal", "host", "slips"))
    terminal.write_text(
        'title = "ours"\nextends = "unipos-2018"\n'
        '[identity]\nterminal_id = { value = "00266286", mark = "assumed", source = "4" }\n',
        encoding="utf-8",
    )
    host.write_text(
        'title = "strict"\nextends = "generic-ascii"\n'
        '[rules]\npartial_void = { value = false, mark = "assumed", source = "its specification" }\n',
        encoding="utf-8",
    )
    layout = (RECEIPTS / "compact.toml").read_text(encoding="utf-8")
    slips.write_text(layout.replace("УЧЕБНЫЙ БАНК", "БАНК ДЛЯ ВСЕХ"), encoding="utf-8")
    options = ("--terminal-profile", str(terminal), "--bank-profile", str(host), "--receipts", str(slips))
    with pinpad(tmp_path / "state", *QUICK, *options) as server:
        desk = Desk(server.port)
        sale = desk.done("sale", "12")
        assert (sale[27], sale[15], sale[26]) == ("00266286", "00", "-1")
        assert "БАНК ДЛЯ ВСЕХ" in sale.slips[0]
        desk.refused(16, "void", "5", *sale.reference)
        assert desk.done("void", "12", *sale.reference)[27] == "00266286"
