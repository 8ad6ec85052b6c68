"""``run --web`` in a real Chromium: card, PIN, receipt, frames; in both languages, by mouse and by keys."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e_kit import DEADLINE, PACKAGE_PARENT, environment, until
from test_e2e_api import TOKEN, ApiServer

selenium = pytest.importorskip("selenium", reason="selenium is not installed: pip install -e '.[test]'")

from selenium import webdriver  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.remote.webelement import WebElement  # noqa: E402
from selenium.webdriver.support.expected_conditions import alert_is_present  # noqa: E402
from selenium.webdriver.support.wait import WebDriverWait  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

pytestmark = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None,
    reason="there is no chromium or no chromedriver: apt-get install chromium chromium-driver",
)


class Page:
    """The page of a pinpad in a browser."""

    def __init__(self, server: ApiServer, language: str, *, token: str = "") -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = str(CHROMIUM)
        options.add_experimental_option("prefs", {"intl.accept_languages": language})
        for argument in ("--headless=new", "--disable-dev-shm-usage", "--window-size=1280,900"):
            options.add_argument(argument)
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            options.add_argument("--no-sandbox")  # Chromium has none for root
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.server = server
        self.driver = webdriver.Chrome(options, webdriver.ChromeService(str(DRIVER)))
        self.driver.get(server.url + "/")
        if token:
            WebDriverWait(self.driver, DEADLINE).until(alert_is_present()).send_keys(token)
            self.driver.switch_to.alert.accept()
        self.sees("#screen", "ДОБРО ПОЖАЛОВАТЬ")
        until(lambda: self.all("#cards .tile"), "the cards")

    def one(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        found = self.driver.execute_script(
            "return document.querySelector(arguments[0])?.textContent ?? ''", selector
        )
        return str(found)

    def sees(self, selector: str, text: str) -> None:
        until(
            lambda: text in self.text(selector), f"{text!r} in {selector}, which says {self.text(selector)!r}"
        )

    def types(self, *keys: str) -> None:
        """Type where the focus is."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def to(self, selector: str, *, most: int = 60) -> None:
        """Go there by the tab key alone."""
        wanted = self.one(selector)
        for _ in range(most):
            if self.driver.switch_to.active_element == wanted:
                return
            self.types(Keys.TAB)
        raise AssertionError(f"{selector} is not reached by the tab key")

    def asks(self, *words: str) -> "subprocess.Popen[str]":
        """Let a register ask for something."""
        return subprocess.Popen(
            [sys.executable, "-m", "smartsale_emu", "register", *words, "--port", self.server.port],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment(),
            cwd=PACKAGE_PARENT,
        )

    def sized(self, width: int, height: int, *, phone: bool = False) -> None:
        """Give the window another size."""
        size = {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1, "mobile": phone}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        until(lambda: self.driver.execute_script("return innerWidth") == width, "the new size")

    def close(self) -> None:
        """Close it; the console must have heard of no error."""
        logged = [entry for entry in self.driver.get_log("browser") if entry["level"] != "INFO"]
        self.driver.quit()
        assert logged == []


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    it = ApiServer(tmp_path_factory.mktemp("web") / "state", "--web", "--api", "127.0.0.1:0")
    try:
        yield it
    finally:
        it.stop()


@pytest.fixture
def page(server: ApiServer) -> Iterator[Page]:
    it = Page(server, "en-US")
    try:
        yield it
    finally:
        it.close()


def over(register: "subprocess.Popen[str]") -> tuple[int, str]:
    said, _ = register.communicate(timeout=30)
    return register.returncode, said


def test_a_sale_by_the_keyboard_alone(page: Page) -> None:
    page.sees("#papers", f"register sale 12.00 --port {page.server.port}")
    register = page.asks("sale", "1250.00")
    page.sees("#screen", "ВСТАВЬТЕ")
    page.to("[data-card=mir-chip] button")
    page.types(Keys.ENTER)
    page.sees("#screen", "ВВЕДИТЕ ПИН")
    page.types("12")
    until(lambda: len(page.all("#pin .full")) == 2, "two dots")
    page.types(Keys.BACKSPACE, "234")
    until(lambda: len(page.all("#pin .full")) == 4, "four dots")
    page.types(Keys.ENTER)
    status, said = over(register)
    assert status == 0, said
    page.sees("#papers", "ОДОБРЕНО")
    page.sees("#papers", "1250.00")
    page.sees("#events", "39=1")
    page.sees("#events", "SOH")
    page.sees("#total", "1,250.00")
    page.one("#tab-bank").send_keys(Keys.ENTER)
    page.sees("#ledger", "approved")
    page.sees("#agree", "Bank and pinpad agree")
    page.one("#insert").send_keys(Keys.ENTER)
    until(lambda: not page.all("#insert.full"), "the card is out")


def test_a_sale_by_the_mouse_and_the_red_key(page: Page) -> None:
    register = page.asks("sale", "5.00")
    page.sees("#screen", "ВСТАВЬТЕ")
    assert page.text(".node.now") == "card promptcard prompt (card)"
    page.one("[data-card=mir-chip] button").click()
    page.sees("#screen", "ВВЕДИТЕ ПИН")
    for digit in "1234":
        page.one(f"[data-key='{digit}']").click()
    page.one("[data-key=cancel]").click()
    status, said = over(register)
    assert status == 1, said
    page.sees("#events", "39=53")
    page.one("#insert").click()


def test_a_card_is_taken_to_another_slot(page: Page) -> None:
    page.one("[data-card=mir-contactless] button").click()
    until(lambda: page.all("#tap.full"), "the card on the contactless zone")
    page.one("#swipe").click()
    until(lambda: page.all("#swipe.full"), "the card in the stripe reader")
    page.one("#swipe").click()
    until(lambda: not page.all(".slot.full"), "no card")
    drag = """
        const data = new DataTransfer();
        const fire = (node, kind) =>
            node.dispatchEvent(new DragEvent(kind, {dataTransfer: data, bubbles: true}));
        const tile = document.querySelector('[data-card=mir-chip] button');
        const slot = document.querySelector('#insert');
        fire(tile, 'dragstart'); fire(slot, 'dragover'); fire(slot, 'drop'); fire(tile, 'dragend');
    """
    page.driver.execute_script(drag)
    until(lambda: page.all("#insert.full"), "the card in the reader")
    page.one("#insert").click()


def test_faults_and_what_is_owed(page: Page) -> None:
    page.one("#tab-faults").click()
    page.one("[data-fault=answer]").click()
    until(lambda: page.one("[data-fault=answer]").get_attribute("aria-pressed") == "true", "it is armed")
    page.sees("#armed", "bank: no answer to money")
    page.one("[data-fault=answer]").click()
    until(lambda: page.one("[data-fault=answer]").get_attribute("aria-pressed") == "false", "it is not")
    page.one("#phrase").send_keys("bank: decline 51", Keys.ENTER)
    page.sees("#armed", "bank: decline 51")
    page.sees("#tab-faults", "Faults · 1")
    page.one("[data-card=mir-contactless] button").click()
    status, _ = over(page.asks("sale", "3.00"))
    assert status == 1
    page.one("#tab-bank").click()
    page.sees("#ledger", "declined")
    page.one("#tab-faults").click()
    page.one("#phrase").clear()
    page.one("#phrase").send_keys("bank: explode", Keys.ENTER)
    page.sees("#phrase-problem", "is not understood")
    page.driver.get_log("browser")  # a refusal (422) is told in the console too
    assert not page.one("#problem").is_displayed()
    page.one("#phrase").send_keys("s")
    until(lambda: not page.one("#phrase-problem").is_displayed(), "the complaint is gone")
    page.one("#mend").click()
    until(lambda: not page.all("#armed li"), "all are taken back")
    page.one("#tap").click()


def test_in_russian_and_without_power(server: ApiServer) -> None:
    page = Page(server, "ru-RU")
    try:
        assert page.driver.title == "Пинпад"
        page.sees(".wallet h2", "Карты")
        page.sees("#state", "покой")
        page.one("#power").click()
        page.sees("#state", "выключен")
        page.one("#power").click()
        page.sees("#screen", "ДОБРО ПОЖАЛОВАТЬ")
        page.sees("#events", "покой → покой")
        page.sees("#last", "покой → покой")
        page.one("#language").click()
        page.sees(".wallet h2", "Cards")
        page.sees("#last", "idle → idle")
        assert "покой" not in page.text("#events")
        assert page.driver.title == "Pinpad"
    finally:
        page.close()


def test_the_token_is_asked_for_once(tmp_path: Path) -> None:
    """Three questions wait at the beginning; a prompt that nobody answers would stop the page."""
    server = ApiServer(tmp_path / "state", "--web", "--api", "127.0.0.1:0", "--token", TOKEN)
    try:
        page = Page(server, "en-US", token=TOKEN)
        try:
            page.one("[data-card=mir-chip] button").click()
            until(lambda: page.all("#insert.full"), "the card in the reader")
            page.driver.get_log(
                "browser"
            )  # that the first questions were refused (401) is told in the console
        finally:
            page.close()
    finally:
        server.stop()


def test_on_a_phone_nothing_is_wider_than_the_glass(page: Page) -> None:
    page.sized(390, 844, phone=True)
    assert page.driver.execute_script("return document.documentElement.scrollWidth") == 390


@pytest.mark.parametrize("language", ["en-US", "ru-RU"])
def test_what_is_used_most_is_seen_at_once(language: str, server: ApiServer) -> None:
    """All cards with their whole names, and no scroll bar of the page; two columns of faults."""
    page = Page(server, language)
    try:
        page.one("#tab-faults").click()
        for width, height in ((1280, 757), (1366, 1000)):
            page.sized(width, height)
            hidden = page.driver.execute_script(HIDDEN)
            assert hidden == [], (width, height)
            columns = {button.location["x"] for button in page.all("#buttons button")}
            assert len(columns) == 2
    finally:
        page.close()


HIDDEN = """
    const cut = node => node.scrollWidth > node.clientWidth || node.scrollHeight > node.clientHeight;
    const cards = document.querySelector('#cards');
    const nodes = [document.documentElement, cards, ...cards.querySelectorAll('.card')];
    const low = [...cards.children].filter(one => one.getBoundingClientRect().bottom > innerHeight);
    return [...nodes.filter(cut), ...low].map(one => one.tagName + ' ' + one.textContent.slice(0, 40));
"""


def test_a_card_is_drawn_with_what_it_has(page: Page) -> None:
    for name, chips, waves in (("mir-chip", 1, 0), ("mir-contactless", 0, 1), ("mastercard-magstripe", 0, 0)):
        assert len(page.all(f"[data-card={name}] .gold")) == chips, name
        assert len(page.all(f"[data-card={name}] .wave")) == waves, name


def test_a_complaint_moves_nothing(page: Page) -> None:
    top = page.one("#pinpad").location
    page.driver.execute_script("import('/watch.js').then(watch => watch.complain('no '.repeat(600)))")
    until(lambda: page.one("#problem").is_displayed(), "the complaint")
    assert page.one("#pinpad").location == top
    page.one("#problem").click()
    assert not page.one("#problem").is_displayed()


def test_everything_that_can_be_pressed_has_a_name(page: Page) -> None:
    nameless = page.driver.execute_script(
        "return [...document.querySelectorAll('button, input')].filter(one => !(one.textContent.trim() || "
        "one.getAttribute('aria-label') || one.labels?.length)).map(one => one.outerHTML)"
    )
    assert nameless == []


def test_it_asks_nobody_else(page: Page) -> None:
    asked = page.driver.execute_script("return performance.getEntries().map(one => one.name)")
    assert all(name.startswith(page.server.url) for name in asked if "://" in name)
    sources = "".join(
        file.read_text(encoding="utf-8")
        for file in (Path(PACKAGE_PARENT) / "smartsale_emu" / "control" / "page").iterdir()
    )
    for foreign in ("https://", "//cdn", "@import"):
        assert foreign not in sources
