"""The built wheel, installed elsewhere, has everything that it needs."""

import importlib.util
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

import smartsale_emu

PACKAGE = Path(smartsale_emu.__file__).resolve().parent
CHECKOUT = PACKAGE.parent

pytestmark = pytest.mark.skipif(
    not (CHECKOUT / "pyproject.toml").is_file(),
    reason="the package under test is no checkout, nothing to build",
)


def run(*command: str | Path, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Run a command that knows nothing of this checkout."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        encoding="utf-8",
        cwd=cwd,
        env={**clean, "PYTHONIOENCODING": "utf-8", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it; without fetching anything where the build backend is at hand."""
    where = tmp_path_factory.mktemp("dist")
    alone = ["--no-isolation"] if importlib.util.find_spec("hatchling") else []
    run(sys.executable, "-m", "build", "--wheel", *alone, "--outdir", where, CHECKOUT, cwd=where)
    (built,) = where.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel in it; its dependencies are those of the running one."""
    home = tmp_path_factory.mktemp("elsewhere")
    venv.create(home / "venv", with_pip=False)
    python = programs(home) / ("python.exe" if os.name == "nt" else "python")
    run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--no-deps",
        "--no-index",
        "--quiet",
        wheel,
        cwd=home,
    )
    site = Path(
        run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=home).stdout.strip()
    )
    paths = dict.fromkeys(sysconfig.get_path(kind) for kind in ("purelib", "platlib"))
    (site / "dependencies.pth").write_text("\n".join(paths), encoding="utf-8")
    return home


def programs(home: Path) -> Path:
    return home / "venv" / ("Scripts" if os.name == "nt" else "bin")


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def left_by_a_tool(file: Path) -> bool:
    return any(part == "__pycache__" or part.startswith(".") for part in file.relative_to(PACKAGE).parts)


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    files = [file for file in PACKAGE.rglob("*") if file.is_file() and not left_by_a_tool(file)]
    missing = {file.relative_to(CHECKOUT).as_posix() for file in files} - names_in(wheel)
    assert missing == set()


def test_the_wheel_holds_keys_scenarios_and_notes(wheel: Path) -> None:
    names = names_in(wheel)
    expected = {"smartsale_emu/py.typed", "smartsale_emu/sa/PROTOCOL.md"}
    for kind in ("keys", "scenarios"):
        files = [file for file in (CHECKOUT / kind).rglob("*") if file.suffix in (".toml", ".yaml")]
        assert files, f"{kind}/ of the checkout is empty"
        expected |= {f"smartsale_emu/data/{file.relative_to(CHECKOUT).as_posix()}" for file in files}
    assert expected - names == set()
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_wheel_holds_nothing_else(wheel: Path) -> None:
    names = names_in(wheel)
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"smartsale_emu"}
    assert not any(part == "__pycache__" or part[0] == "." for name in names for part in name.split("/"))


def test_the_installed_wheel_finds_its_own_keys_cards_profiles_and_scenarios(elsewhere: Path) -> None:
    question = (
        "import smartsale_emu, smartsale_emu.runtime.resources as r\n"
        "print(smartsale_emu.__file__)\n"
        "print(sorted(r.read_key_files()), sorted(r.read_card_files()))\n"
        "r.read_terminal_profile('unipos-2023'); r.read_bank_profile('generic-ascii')\n"
        "r.read_receipt_layout('standard')\n"
        "assert len(list(r.read_scenarios())) >= 60\n"
    )
    python = programs(elsewhere) / "python"
    told = run(python, "-I", "-c", question, cwd=elsewhere).stdout.splitlines()
    assert Path(told[0]).is_relative_to(elsewhere)
    keys = sorted(file.stem for file in (CHECKOUT / "keys").glob("*.toml"))
    cards = sorted(file.stem for file in (PACKAGE / "payment" / "cards").glob("*.toml"))
    assert told[1] == f"{keys} {cards}"


def test_the_installed_demo_plays_to_its_end(elsewhere: Path) -> None:
    done = run(programs(elsewhere) / "smartsale-emu", "demo", cwd=elsewhere)
    assert done.stderr == ""
    assert "Bank and pinpad agree." in done.stdout


def test_the_installed_program_plays_its_own_scenarios(elsewhere: Path) -> None:
    done = run(programs(elsewhere) / "smartsale-emu", "play", "-q", cwd=elsewhere)
    assert " scenarios passed: " in done.stdout.splitlines()[-1]


def test_the_installed_program_knows_its_version(elsewhere: Path) -> None:
    done = run(programs(elsewhere) / "smartsale-emu", "--version", cwd=elsewhere)
    assert done.stdout == f"smartsale-emu {smartsale_emu.__version__}\n"


def test_the_pytest_plugin_comes_with_it(elsewhere: Path) -> None:
    """Its fixtures are there without a word of configuration."""
    (elsewhere / "test_shop.py").write_text("def test_it(pinpad):\n    assert pinpad.state == 'idle'\n")
    done = run(
        programs(elsewhere) / "python", "-m", "pytest", "-q", "-W", "error", "test_shop.py", cwd=elsewhere
    )
    assert "1 passed" in done.stdout
