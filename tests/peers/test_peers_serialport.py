"""A register on the npm package ``serialport`` over a pty, whose customer acts through the control API."""

from pathlib import Path

from peers_kit import HERE, NODE, done, needs_serialport, ours, serving

pytestmark = needs_serialport


def test_a_sale_with_a_pin_and_one_whose_answer_is_lost(tmp_path: Path) -> None:
    link = tmp_path / "pinpad"
    where = ("--state", tmp_path / "state", "--port", f"pty:{link}")
    run = ("run", "--headless", "--api", "127.0.0.1:0", *where)
    with serving(ours(*run), r"api=http://127\.0\.0\.1:(\d+)") as port:
        script = HERE / "serialport_register.js"
        status, said = done([str(NODE), str(script), f"http://127.0.0.1:{port}", str(link)])
    assert (status, said.count("ok  ")) == (0, 4), said
