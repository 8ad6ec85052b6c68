"""``recipe``: what it prints, and that the recipes for Linux do what they say on the sample register."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from smartsale_emu.cli import main
from smartsale_emu.runtime.resources import read_recipes

SAMPLE = Path(__file__).parent.parent / "sample_register"
PROGRAMS = Path(sys.executable).parent
RECIPES = read_recipes()
JOBS = [name for name in RECIPES if name.endswith(".yml")]

bash = pytest.mark.skipif(
    sys.platform == "win32" or shutil.which("bash") is None or not (PROGRAMS / "smartsale-emu").exists(),
    reason="needs bash and an installed program",
)


def recipe(name: str) -> dict[Any, Any]:
    """Return a recipe as data."""
    found: dict[Any, Any] = yaml.safe_load(RECIPES[name])
    return found


def project(folder: Path) -> Path:
    """Return a newcomer's project: the sample register, and nothing else."""
    folder.mkdir()
    for file in SAMPLE.glob("*.py"):
        shutil.copy(file, folder)
    return folder


def shell(script: str, cwd: Path, *flags: str, status: int = 0, **more: str) -> str:
    """Run it as a runner does: bash stops at the first command that fails. Returns all that was said."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV"))}
    env = {**clean, "PATH": f"{PROGRAMS}{os.pathsep}{clean['PATH']}", **more}
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", *flags, "-c", script],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == status, f"{script}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


class TestCommand:
    def test_tells_which_there_are(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["recipe"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[0] for line in lines] == list(RECIPES)
        assert [line for line in lines if "not yet run" in line] == [
            line for line in lines if "Windows" in line
        ]

    @pytest.mark.parametrize("name", RECIPES)
    def test_prints_one(self, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        for written in (name, Path(name).stem):
            assert main(["recipe", written]) == 0
            assert capsys.readouterr().out == RECIPES[name]

    def test_a_name_that_there_is_not(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["recipe", "gitlub"]) == 2
        error = capsys.readouterr().err
        assert "'gitlab.yml' meant?" in error
        assert "smartsale-emu.service" in error


class TestForm:
    @pytest.mark.parametrize("name", [name for name in JOBS if name.startswith("github")])
    def test_github(self, name: str) -> None:
        """What the schema of workflows asks for, as far as we use it."""
        workflow = recipe(name)
        assert set(workflow) == {"name", True, "permissions", "env", "jobs"}  # `on` is a truth of YAML 1.1
        for job in workflow["jobs"].values():
            assert set(job) == {"name", "runs-on", "timeout-minutes", "steps"}
            for step in job["steps"]:
                assert ("uses" in step) != ("run" in step)
                assert set(step) <= {"uses", "with", "name", "run", "if"}
                assert "@v" in step.get("uses", "@v")

    def test_gitlab(self) -> None:
        jobs = recipe("gitlab.yml")
        for name in ("fixtures", "beside"):
            assert set(jobs[name]) == {"before_script", "script", "artifacts"}
            assert all(isinstance(line, str) for line in jobs[name]["before_script"] + jobs[name]["script"])

    @pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
    def test_the_unit(self, tmp_path: Path) -> None:
        """systemd's own check; it wants the program to be there."""
        unit = tmp_path / "smartsale-emu.service"
        stub = tmp_path / "smartsale-emu"
        stub.write_text("#!/bin/sh\n")
        stub.chmod(0o755)
        unit.write_text(
            RECIPES[unit.name].replace("=/opt/smartsale-emu/bin/smartsale-emu ", f"={stub} "), "utf-8"
        )
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False
        )
        if "Failed to" in done.stderr and unit.name not in done.stderr:
            pytest.skip("systemd does not work here")
        assert (done.returncode, done.stderr) == (0, "")

    def test_the_commands_of_the_unit_are_understood(self) -> None:
        from smartsale_emu.cli.parser import build_parser

        lines = [line for line in RECIPES["smartsale-emu.service"].splitlines() if line.startswith("Exec")]
        assert len(lines) == 2
        for line in lines:
            build_parser().parse_args(line.replace("$MAINPID", "1").split()[1:])


@bash
class TestRun:
    def test_github_fixtures(self, tmp_path: Path) -> None:
        (script,) = (step["run"] for step in steps("fixtures") if step.get("name") == "Test")
        folder = project(tmp_path / "project")
        shell(script.replace("-n auto", "-n 2"), folder)
        assert (folder / "report.xml").exists()

    def test_github_beside(self, tmp_path: Path) -> None:
        """Each step has a shell of its own, and what it wrote into GITHUB_ENV for the next."""
        folder, kept = project(tmp_path / "project"), tmp_path / "env"
        kept.touch()
        ran = []
        for step in steps("beside"):
            if "run" in step and step["name"] != "Install":
                handed = dict(line.split("=", 1) for line in kept.read_text().splitlines())
                shell(step["run"], folder, GITHUB_ENV=str(kept), RUNNER_TEMP=str(tmp_path), **handed)
                ran.append(step["name"])
        assert len(ran) == 3
        assert (folder / "trace.jsonl").stat().st_size
        assert not (tmp_path / "pinpad" / "listening").exists()

    @pytest.mark.parametrize(
        ("word", "instead", "status"),
        [("12.00", "12.00", 0), ("12.00", "none", 1), (" ledger ", " ledger --nothing ", 2)],
        ids=["well", "the tests fail", "the books fail"],
    )
    def test_gitlab_beside(self, word: str, instead: str, status: int, tmp_path: Path) -> None:
        """However it ends, the pinpad is stopped and its books are looked at."""
        folder = project(tmp_path / "project")
        script = gitlab_script().replace(word, instead)
        said = shell(script, folder, "-o", "pipefail", status=status, TMPDIR=str(tmp_path))
        assert ("They agree." in said) == ("ledger" not in word)
        assert (folder / "trace.jsonl").stat().st_size
        assert list(tmp_path.glob("*/memory*"))
        assert not list(tmp_path.glob("*/listening"))

    @pytest.mark.parametrize("name", ["github", "gitlab"])
    def test_a_pinpad_that_cannot_start_ends_the_job_at_once(self, name: str, tmp_path: Path) -> None:
        """Not after an hour; and the job's log says why."""
        (start,) = (step["run"] for step in steps("beside") if step.get("name") == "Start the pinpad")
        script = start if name == "github" else gitlab_script()
        broken = script.replace("mir-chip", "nobody").replace("--within 30s", "--within 1h")
        handed = {"GITHUB_ENV": str(tmp_path / "env"), "RUNNER_TEMP": str(tmp_path)}
        said = shell(broken, project(tmp_path / "project"), "-o", "pipefail", status=1, **handed)
        assert "has ended" in said
        assert "card 'nobody' is not known" in said

    def test_gitlab_fixtures_are_those_of_github(self) -> None:
        (script,) = (step["run"] for step in steps("fixtures") if step.get("name") == "Test")
        assert recipe("gitlab.yml")["fixtures"]["script"] == [script]


def gitlab_script() -> str:
    """Return the script of the second job as GitLab's runner gives it to bash: all in one inner shell."""
    lines = recipe("gitlab.yml")["beside"]["script"]
    return f": | eval {shlex.quote(chr(10).join(lines))}\nexit 0"


def steps(job: str) -> list[dict[str, Any]]:
    """Return the steps of a job for Linux."""
    found: list[dict[str, Any]] = recipe("github-linux.yml")["jobs"][job]["steps"]
    return found
