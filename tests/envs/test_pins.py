"""Places that name a version name the same one: pyproject, locks, conda files, Dockerfile."""

import hashlib
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
ENVS = ROOT / "envs"
ENVIRONMENTS = sorted(path.stem for path in ENVS.glob("*.yaml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PYTHON = SpecifierSet(PROJECT["project"]["requires-python"])
OLDEST_PYTHON = str(PYTHON).removeprefix(">=")
DOCKERFILE = ROOT / "Dockerfile"


def pinned(text: str, python: str | None = None) -> dict[str, str]:
    """Return the versions that a lock pins for a Python (default: the oldest) on linux-64."""
    machine = {**default_environment(), "sys_platform": "linux", "platform_machine": "x86_64"}
    machine["python_version"] = python or OLDEST_PYTHON
    machine["python_full_version"] = f"{machine['python_version']}.0"
    found = {}
    for line in re.findall(r"^[a-z0-9].*", text, flags=re.MULTILINE):
        requirement = Requirement(line.rstrip("\\ "))
        if requirement.marker is None or requirement.marker.evaluate(machine):
            found[requirement.name] = str(requirement.specifier).removeprefix("==")
    return found


def requirements(lines: list[str]) -> list[Requirement]:
    """Return the requirements among the lines of a file, comments left out."""
    return [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]


def project_pins() -> dict[str, str]:
    """Return what pyproject.toml pins, extras included: package -> version."""
    project = PROJECT["project"]
    extras = project["optional-dependencies"].values()
    listed = requirements([*project["dependencies"], *(line for extra in extras for line in extra)])
    for requirement in listed:
        assert re.fullmatch(r"==[^*,]+", str(requirement.specifier)), f"{requirement} is no pin"
    return {
        requirement.name.lower(): str(requirement.specifier).removeprefix("==")
        for requirement in listed
    }


VENV = pinned((ROOT / "requirements.lock").read_text())
MAKEFILE = (ROOT / "Makefile").read_text()


def made_with(name: str) -> str:
    """Return the value of a variable of the Makefile."""
    match = re.search(rf"^{name} \??:?= (.+)$", MAKEFILE, flags=re.MULTILINE)
    assert match, name
    return match[1]


def conda_dependencies(environment: str) -> dict[str, SpecifierSet]:
    """Return what an environment asks of conda; `python=3.11` means 3.11.*, as conda reads it."""
    listed = yaml.safe_load((ENVS / f"{environment}.yaml").read_text())["dependencies"]
    found = {}
    for line in listed:
        name, versions = re.fullmatch(r"([a-z0-9._-]+)(.*)", line).groups()
        exact = re.fullmatch(r"=([0-9.]+)", versions)
        found[name] = SpecifierSet(f"=={exact[1]}.*" if exact else versions)
    return found


def test_lock_holds_what_the_project_pins() -> None:
    wanted = project_pins()
    assert {name: VENV.get(name) for name in wanted} == wanted, "run make lock"


@pytest.mark.parametrize("lock", [ROOT / "requirements.lock", *sorted(ENVS.glob("*.lock.txt"))])
def test_lock_has_a_hash_for_every_package_and_no_address(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert entries
    assert all("--hash=sha256:" in entry for entry in entries)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_environment_has_the_versions_of_the_venv(environment: str) -> None:
    held = pinned((ENVS / f"{environment}.lock.txt").read_text())
    shared = {name: version for name, version in held.items() if name in VENV}
    assert shared == {name: VENV[name] for name in shared}, "run make lock"
    asked = requirements((ENVS / f"{environment}.in").read_text().splitlines())
    for requirement in asked:
        assert requirement.specifier.contains(held[requirement.name]), (
            f"{requirement}: run make lock"
        )


def test_both_builds_of_faiss_are_of_one_version() -> None:
    held = pinned((ENVS / "evaluate.lock.txt").read_text())
    assert held["faiss-gpu"] == VENV["faiss-cpu"]
    assert "faiss-cpu" not in held, "the two install the same files"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_post_deploy_names_the_lock_as_it_is(environment: str) -> None:
    lock = ENVS / f"{environment}.lock.txt"
    script = (ENVS / f"{environment}.post-deploy.sh").read_text()
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    assert script.endswith(f"\nsh envs/install.sh envs/{lock.name} {digest}\n"), "run make lock"


def test_install_refuses_another_lock(tmp_path: Path) -> None:
    (tmp_path / "x.lock.txt").write_text("numpy==1.0\n")
    for lock, message in (("x.lock.txt", "run make lock"), ("y.lock.txt", "is not here")):
        command = ["sh", str(ENVS / "install.sh"), lock, "0" * 64]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert message in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_conda_part_agrees_with_the_project(environment: str) -> None:
    asked = conda_dependencies(environment)
    minor = OLDEST_PYTHON  # the locks are resolved for it
    assert asked["python"] == SpecifierSet(f"=={minor}.*")
    assert asked["uv"].contains(made_with("UV"))
    assert PROJECT["tool"]["mypy"]["python_version"] == minor
    assert PROJECT["tool"]["ruff"]["target-version"] == f"py{minor.replace('.', '')}"
    assert f"--python-version {minor} " in MAKEFILE


@pytest.mark.parametrize("pin", sorted(ENVS.glob("*.pin.txt")))
def test_conda_pin_satisfies_its_environment(pin: Path) -> None:
    archives = re.findall(r"/([^/#]+)-([^-/#]+)-[^-/#]+\.(?:conda|tar\.bz2)#", pin.read_text())
    versions = dict(archives)
    for name, specifier in conda_dependencies(pin.name.partition(".")[0]).items():
        assert specifier.contains(versions[name]), f"{name}: run make lock"


@pytest.mark.skipif(not DOCKERFILE.exists(), reason="no Dockerfile")
def test_image_agrees_with_the_project() -> None:
    text = DOCKERFILE.read_text()
    assert re.search(r"--require-hashes[^\n]*-r \S*requirements\.lock", text.replace("\\\n", " "))
    assert set(re.findall(r"\buv==([0-9.]+)", expanded(text))) == {made_with("UV")}
    for name, version in re.findall(r"\b([a-z][a-z0-9-]+)==([0-9][^\s\"']*)", expanded(text)):
        assert version == {"uv": made_with("UV"), **VENV}.get(name, version), name
    for version in re.findall(r"\bpython(\d+\.\d+)\b", text):
        assert PYTHON.contains(Version(version)), version


def expanded(dockerfile: str) -> str:
    """Return a Dockerfile with its build arguments' defaults in the place of their names."""
    for name, value in re.findall(r"^ARG (\w+)=(\S+)", dockerfile, flags=re.MULTILINE):
        dockerfile = re.sub(rf"\$(?:{name}\b|{{{name}}})", value, dockerfile)
    return dockerfile
