"""The Document's fifteen operations, played by ``register`` processes against a pinpad and its bank.

Everything is a process of its own on a real port; both schemes (Document, 1.2 and 1.3), TCP and TLS.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

if sys.platform == "win32":
    pytest.skip("needs a pseudo-terminal", allow_module_level=True)

from e2e_kit import (
    DEADLINE,
    QUICK,
    Desk,
    Told,
    bank,
    bank_kept,
    environment,
    ledger,
    memory_of,
    pinpad,
    pinpad_kept,
    settled,
    until,
)

Capture = pytest.CaptureFixture[str]
SCHEMES = ("kph", "pkh")
WITHOUT_BANK = {"short-report", "full-report", "copy", "card-data"}
DEBITS, CREDITS, VOIDS = (29, 30), (31, 32), (49, 50)


@dataclass(frozen=True)
class Papers:
    """PEM files. ``client``: certificate and key of the pinpad in one file."""

    ca: Path
    cert: Path
    key: Path
    client: Path


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    directory, ca = tmp_path_factory.mktemp("papers"), trustme.CA()
    papers = Papers(**{name: directory / f"{name}.pem" for name in Papers.__dataclass_fields__})
    ours, theirs = ca.issue_cert("127.0.0.1"), ca.issue_cert("pinpad.example")
    ca.cert_pem.write_to_path(str(papers.ca))
    ours.cert_chain_pems[0].write_to_path(str(papers.cert))
    ours.private_key_pem.write_to_path(str(papers.key))
    theirs.private_key_and_cert_chain_pem.write_to_path(str(papers.client))
    return papers


@dataclass(frozen=True)
class Shop:
    """One desk, its pinpad's state and its bank's."""

    desk: Desk
    state: Path
    bank_state: Path
    bank_port: str


@contextmanager
def shop(
    directory: Path, scheme: str, *, secure: bool = False, papers: Papers | None = None, client: bool = False
) -> Iterator[Shop]:
    """Open a shop. ``client``: the bank wants to see a certificate of the pinpad."""
    served: list[str] = []
    asked = ["--scheme", scheme]
    if secure and papers:
        served += [
            "--listen",
            "tls:127.0.0.1:0",
            "--tls-cert",
            str(papers.cert),
            "--tls-key",
            str(papers.key),
        ]
        served += ["--tls-ca", str(papers.ca)] if client else []
        asked += ["--ca", str(papers.ca), *(["--client-cert", str(papers.client)] if client else [])]
    with ExitStack() as stack:
        host = stack.enter_context(bank(directory / "bank", *served))
        options = (*QUICK, *asked, "--host", host.port, "--trace", str(directory / "trace.jsonl"))
        server = stack.enter_context(pinpad(directory / "pinpad", *options))
        yield Shop(Desk(server.port), directory / "pinpad", directory / "bank", host.port)


def heard_by_pinpad(trace: Path, operation: str) -> list[dict[int, str]]:
    """Return the messages of registers with this field 25, as far as the trace shows them."""
    lines = [json.loads(line) for line in trace.read_text(encoding="utf-8").splitlines()]
    messages = [line for line in lines if line["kind"] == "message" and line["direction"] == "in"]
    shown = [{number: value for number, _, value in message["fields"]} for message in messages]
    return [fields for fields in shown if fields[25] == operation]


# --- a day of all fifteen ----------------------------------------------------------------------------------


def pay_and_undo(desk: Desk) -> Told:
    """Document, 2.2, 2.3 and 2.4: sale, void of a part, sale and its reversal. Returns the first sale."""
    sale = desk.done("sale", "1200.00", "--ern", "17")
    assert [sale[number] for number in (0, 4, 15, 25, 26)] == ["120000", "643", "001", "1", "17"]
    assert [len(sale.slips), "1200.00" in sale.slips[0], "ПОДПИСЬ" in sale.slips[1]] == [2, True, True]
    void = desk.done("void", "300", *sale.reference, "--original-amount", "1200")
    assert (void[25], void[0], void[14] != sale[14]) == ("4", "30000", True)
    assert f"RRN ОПЕРАЦИИ:       {sale[14]}" in void.slips[0]
    desk.refused(16, "void", "900.01", *sale.reference)
    desk.refused(53, "reversal", "300")  # of a void there is none (Document, 2.4, note)
    mistake = desk.done("sale", "5")
    undone = desk.done("reversal", "5")
    assert [undone[number] for number in (0, 14, 25)] == ["500", mistake[14], "53"]
    assert "ОПЕРАЦИЯ ОТМЕНЕНА" in undone.slips[0]
    return sale


def hold_raise_complete(desk: Desk) -> None:
    hold = desk.done("preauth", "500")
    more = desk.done("raise", "100", *hold.reference)
    assert (hold[25], more[25], hold[14] != more[14]) == ("15", "15", True)
    desk.refused(16, "completion", "600.01", *hold.reference)
    completion = desk.done("completion", "550", *hold.reference)
    assert (completion[25], completion[0]) == ("16", "55000")
    assert "ЗАВЕРШЕНИЕ ПРЕДАВТОРИЗАЦИИ" in completion.slips[0]


def cash_and_card(desk: Desk) -> None:
    assert desk.done("top-up", "77")[25] == "19"
    before = desk.done("balance")
    assert desk.done("cash", "100")[25] == "2"
    after = desk.done("balance")
    assert int(before[0] or "") - int(after[0] or "") == 10_000
    assert "ДОСТУПНО (РУБ):" in after.slips[0]
    assert desk.done("return-without-reference", "3")[25] == "71"
    card = desk.done("card-data")
    assert [card[number] for number in (8, 10, 11, 12, 14, 25)] == [
        "3", "************9019", "3012", None, None, "57"
    ]  # fmt: skip


def papers_of_the_day(desk: Desk, sale: Told) -> None:
    short, full = desk.done("short-report"), desk.done("full-report")
    assert (short[65], full[65]) == ("20", "21")
    for report in (short, full):
        assert "ДЕБЕТ: 3                 1850.00" in report.slips[0]
        assert "ИТОГО (РУБ):             1470.00" in report.slips[0]
    assert len(re.findall(r"^\d{4} ", full.slips[0], re.MULTILINE)) == 8
    last, chosen = desk.done("copy"), desk.done("copy", "--rrn", sale[14] or "")
    assert "ВОЗВРАТ БЕЗ ССЫЛКИ" in last.slips[0]
    assert chosen.slips[0].replace("             КОПИЯ\n", "") == sale.slips[0]
    desk.refused(16, "copy", "--slip", "99")


def close_the_day(desk: Desk, sale: Told) -> None:
    """Document, 2.3: a void only inside of the day, after its settlement a return."""
    early = desk.refused(16, "return", "400", *sale.reference)
    assert "ТЕКУЩЕГО ДНЯ" in (early[19] or "")
    closed = desk.done("settlement")
    assert [closed[number] for number in (*DEBITS, *CREDITS, *VOIDS, 51, 52)] == [
        "185000", "3", "8000", "2", "30000", "1", "0", "0"
    ]  # fmt: skip
    assert "ИТОГИ СОВПАЛИ" in closed.slips[0]
    late = desk.refused(16, "void", "400", *sale.reference)
    assert "ВОЗВРАТ" in (late[19] or "")
    returned = desk.done("return", "400", *sale.reference)
    assert (returned[25], returned[0]) == ("29", "40000")
    desk.refused(16, "return", "500.01", *sale.reference)  # 900 were left
    closed = desk.done("settlement")
    assert [closed[number] for number in (*DEBITS, *CREDITS)] == ["0", "0", "40000", "1"]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("secure", [False, True], ids=["TCP", "TLS"])
def test_all_fifteen_operations(
    scheme: str, secure: bool, papers: Papers, tmp_path: Path, capsys: Capture
) -> None:
    """Document, 2.1: every operation of its list, and afterwards bank and pinpad agree to the kopeck."""
    with shop(tmp_path, scheme, secure=secure, papers=papers, client=scheme == "kph") as played:
        desk = played.desk
        assert desk.done("test")[25] == "26"
        sale = pay_and_undo(desk)
        hold_raise_complete(desk)
        cash_and_card(desk)
        papers_of_the_day(desk, sale)
        close_the_day(desk, sale)
        until(lambda: settled(played.state), "the ACK of the final")
    address = played.bank_port.partition(":")[2]
    for name, told in desk.told:
        lent = f"reaching the bank for the pinpad: {address}\n" in told.aside
        assert lent <= (scheme == "pkh"), name
        assert told.status != 0 or lent is (scheme == "pkh" and name not in WITHOUT_BANK), name
    report = ledger(capsys, played.state, played.bank_state)
    assert (report["agree"], report["disagreements"], report["notes"]) == (True, [], [])
    days = [bank_kept(played.bank_state, day) for day in (1, 2, 3)]
    assert days == [(8, 283_000), (1, 40_000), (0, 0)]
    assert (memory_of(played.state)["day"], pinpad_kept(played.state)) == (3, (0, 0))


def test_through_the_register_the_mock_bank_listens_by_itself(tmp_path: Path, capsys: Capture) -> None:
    """Scheme ПКХ (Document, 1.2) without ``--host``: one command is pinpad and bank."""
    with pinpad(tmp_path / "state", *QUICK, "--scheme", "pkh") as server:
        desk = Desk(server.port)
        sale = desk.done("sale", "12")
        assert "reaching the bank for the pinpad: 127.0.0.1:" in sale.aside
        assert desk.refused(34, "sale", "12", "--no-channel")[19] == "НЕТ СВЯЗИ"
        desk.done("void", "12", *sale.reference)
        desk.done("settlement")
        until(lambda: settled(tmp_path / "state"), "the ACK of the final")
    assert ledger(capsys, tmp_path / "state")["agree"] is True


def test_a_pinpad_without_the_certificate_that_the_bank_wants_is_not_served(
    papers: Papers, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        served = ["--listen", "tls:127.0.0.1:0", "--tls-cert", str(papers.cert), "--tls-key", str(papers.key)]
        host = stack.enter_context(bank(tmp_path / "bank", *served, "--tls-ca", str(papers.ca)))
        options = (*QUICK, "--ca", str(papers.ca), "--host", host.port)
        server = stack.enter_context(pinpad(tmp_path / "pinpad", *options))
        Desk(server.port).refused(34, "test")


# --- questions to the cashier ------------------------------------------------------------------------------


@pytest.fixture(params=SCHEMES)
def quick_shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    with shop(tmp_path, request.param) as opened:
        yield opened


def test_the_cashier_is_asked_for_what_a_void_does_not_say(quick_shop: Shop) -> None:
    """Document, 2.3, step 1: where need be the cashier enters authorization code and RRN."""
    desk = quick_shop.desk
    sale = desk.done("sale", "12")
    rrn, code = sale[14] or "", sale[13] or ""
    void = desk.done("void", "5", "--answer", rrn, "--answer", code)
    assert "? ВВЕДИТЕ НОМЕР ССЫЛКИ (RRN)\n" in void.aside
    assert "? ВВЕДИТЕ КОД АВТОРИЗАЦИИ\n" in void.aside
    once = desk.done("void", "5", "--rrn", rrn, "--answer", code)
    assert "RRN" not in once.aside
    wrong = desk.refused(16, "void", "1", "--answer", "000000000001", "--answer", code)
    assert "НЕТ ТАКОЙ ОПЕРАЦИИ" in (wrong[19] or "")


def test_a_register_without_a_window_is_declined_with_a_clear_text(quick_shop: Shop) -> None:
    """It answers 67 = 3 to the question (standard input is no terminal); not a kopeck is moved."""
    desk = quick_shop.desk
    desk.done("sale", "12")
    declined = desk.refused(16, "void", "12")
    replies = heard_by_pinpad(quick_shop.state.with_name("trace.jsonl"), "52")
    assert replies == [{25: "52", 67: "3"}]
    assert (declined[19], declined[28]) == ("НЕТ RRN ИЛИ КОДА АВТОРИЗАЦИИ", "0")
    assert "ДЕБЕТ: 1                   12.00\nОТМЕНЫ ДЕБЕТА: 0" in desk.done("short-report").slips[0]


def test_without_a_window_the_last_operation_is_taken_if_the_profile_says_so(tmp_path: Path) -> None:
    profile = tmp_path / "trusting.toml"
    rows = '[rules]\ncashier_absent = { value = "last", mark = "assumed", source = "9.4" }\n'
    profile.write_text(f'title = "trusting"\nextends = "unipos-2023"\n{rows}', encoding="utf-8")
    with pinpad(tmp_path / "state", *QUICK, "--terminal-profile", str(profile)) as server:
        desk = Desk(server.port)
        desk.done("sale", "12")
        assert "ДЕБЕТ: 1" in desk.done("short-report").slips[0]
        assert desk.done("void", "12")[0] == "1200"


def test_a_cashier_at_the_keyboard(tmp_path: Path) -> None:
    """The register has a window: what is typed is the answer, Ctrl-D is a refusal to answer."""
    with pinpad(tmp_path / "state", *QUICK) as server:
        sale = Desk(server.port).done("sale", "12")
        words = ["void", "5", "--rrn", sale[14] or "", "--port", server.port]
        assert typed_by_cashier(words, b"\x04") == (1, "прервано", 1)
        assert typed_by_cashier(words, (sale[13] or "").encode() + b"\n") == (0, "выполнено", 1)


def typed_by_cashier(words: list[str], typed: bytes) -> tuple[int, str, int]:
    """Run a register at a terminal, type at its question.

    Returns its exit status, the gist of its last line, and how often it asked.
    """
    master, slave = os.openpty()
    command = [sys.executable, "-m", "smartsale_emu", "register", *words]
    register = subprocess.Popen(
        command, stdin=slave, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    )
    os.close(slave)
    try:
        assert register.stderr is not None
        asked = b""
        while b"Ctrl-D: cancel)" not in asked:
            more = os.read(register.stderr.fileno(), 4096)
            assert more, "there was no question"
            asked += more
        os.write(master, typed)
        said, aside = (output.decode() for output in register.communicate(timeout=DEADLINE))
    finally:
        register.kill()
        register.wait()
        os.close(master)
    gist = said.splitlines()[-1].partition(": ")[2].partition(".")[0]
    return register.returncode, gist, (asked.decode() + aside).count("Ctrl-D: cancel)")
