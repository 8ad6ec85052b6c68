"""The marked card through the control API and through every command that makes something of a trace."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

import pytest
from canary_marks import CARD, LONG_PIN, PAN, SHORT_PIN, TRACK2, assert_clean, found_in
from e2e.e2e_kit import DEADLINE, environment, pinpad, settled, until
from e2e.foreign_till import EOT, Till, Wire
from test_canary_processes import TALKATIVE_FIELDS, Heard, mark, told_by_command


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with the marked card and the marked keys in it."""
    return mark(tmp_path_factory.mktemp("marked"))


@dataclass
class Api:
    """A control API; ``told`` is all that it has answered."""

    url: str
    told: dict[str, str | bytes] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: object = None) -> int:
        """Ask, and keep what was answered; returns the status."""
        request = urllib.request.Request(f"{self.url}/api/v1{path}", method=method)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("content-type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
                status, told = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                status, told = error.code, error.read()
        self.told[f"{len(self.told)}: {method} {path}"] = told
        return int(status)


def lists() -> list[str]:
    """Return every path that can be read, the events as far as they have come."""
    text = files("smartsale_emu.control").joinpath("openapi.json").read_text(encoding="utf-8")
    paths = [path for path, ways in json.loads(text)["paths"].items() if "get" in ways and "{" not in path]
    return [
        path.removeprefix("/api/v1") + ("?follow=false" if path.endswith("/events") else "") for path in paths
    ]


def a_session(api: Api, heard: Heard, port: str, checkout: Path) -> None:
    """Sales with the right PIN, with a wrong one that is typed, and with a card from the register."""
    assert api.ask("PUT", "/card", {"card": "canary", "pin": SHORT_PIN}) == 200
    assert heard.register("sale", "50", port=port)
    assert heard.register("sale", "1", "--track2", TRACK2, port=port)
    heard.register("void", "5", "--answer", PAN, "--answer", TRACK2, port=port)
    assert api.ask("PUT", "/card", {"card": "canary"}) == 200
    command = [sys.executable, "-m", "smartsale_emu", "register", "sale", "7", "--port", port]
    with subprocess.Popen(command, stdout=-1, stderr=-1, env=environment(checkout), cwd=checkout) as register:
        assert api.ask("GET", "/state?asks=pin&within=20s") == 200
        assert api.ask("POST", "/pin", {"pin": LONG_PIN}) == 204
        heard.line += b"".join(register.communicate(timeout=DEADLINE))
    assert register.returncode == 1, "the PIN was wrong"
    for pin in (PAN, LONG_PIN + "x"):
        assert api.ask("PUT", "/card", {"card": "canary", "pin": pin}) == 422
    assert api.ask("PUT", "/card", {"card": PAN}) == 422
    assert api.ask("PUT", "/card", {PAN: "canary"}) == 422
    assert api.ask("POST", "/faults", {"phrase": f"bank: {TRACK2}"}) == 422


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGTERM")
@pytest.mark.parametrize("scheme", ["kph", "pkh"])
def test_no_canary_in_the_api_and_in_what_is_made_of_a_trace(
    checkout: Path, tmp_path: Path, scheme: str
) -> None:
    state, trace, heard = tmp_path / "state", tmp_path / "trace.jsonl", Heard()
    options = ["--allow-live-cards", "--speed", "50", "--scheme", scheme, "--trace", str(trace)]
    options += ["--api", "127.0.0.1:0"]
    with pinpad(state, *options, port="tcp:127.0.0.1:0", package_parent=checkout) as server:
        port, _, url = server.port.partition(" api=")
        api = Api(url)
        a_session(api, heard, port, checkout)
        if scheme == "kph":
            till = Till(Wire(port), farewell=EOT)
            till.ask(TALKATIVE_FIELDS)
            till.wire.close()
        until(lambda: settled(state), "the reversals")
        asked = lists()
        assert len(asked) > 10
        assert all(api.ask("GET", path) == 200 for path in asked)
    pcapng, pack = tmp_path / "line.pcapng", tmp_path / "pack.yaml"
    traced, both = ("--trace", str(trace)), ("--trace", str(trace), "--state", str(state))
    outputs: dict[str, str | bytes] = {**api.told, "registers": heard.told, "register": heard.line}
    outputs["pcapng told"] = told_by_command(checkout, "trace", "pcapng", str(trace), str(pcapng))
    outputs["pack told"] = told_by_command(checkout, "bugpack", *both, "--last", "5000", "--out", str(pack))
    for stan in ("1", "2", "3"):
        outputs[f"explain {stan}"] = told_by_command(checkout, "explain", stan, *both)
    outputs["explain nothing"] = told_by_command(checkout, "explain", PAN[:6], *traced)
    outputs["pcapng"] = pcapng.read_bytes()
    for place in ("explain 1", f"{len(api.told) - 1}: GET {asked[-1]}"):
        assert CARD.masked.encode() in outputs[place], place  # type: ignore[operator]
    assert_clean(outputs)
    packed = pack.read_bytes()
    assert CARD.masked.encode() in packed
    assert found_in(packed) <= {"short PIN"}, "a pack has the PINs of test cards: it says so at its head"
