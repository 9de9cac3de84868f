"""neco doctor: it tells what is there, never fails, and names nobody."""

import getpass
import json
import socket
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from neco import doctor
from neco.cli import main


@pytest.fixture(scope="module")
def findings():
    return doctor.examine()


def found(findings, name: str) -> doctor.Finding:
    return next(finding for finding in findings if finding.name == name)


def test_versions_are_those_that_are_installed(findings):
    assert found(findings, "torch").found == version("torch")
    assert found(findings, "snakemake").found == version("snakemake")


def test_what_is_absent_has_a_stand_in(findings):
    for finding in findings:
        assert finding.found or finding.instead, finding


def test_a_look_that_fails_is_told_and_hides_no_other(monkeypatch):
    def _broken():
        raise RuntimeError(f"no such thing in {Path.home()}/somewhere")

    monkeypatch.setattr(doctor, "LOOKS", (_broken, doctor._versions))
    first, *others = doctor.examine()
    assert first.found == "RuntimeError: no such thing in ~/somewhere"
    assert found(others, "torch")


def test_nobody_is_named(findings):
    text = json.dumps([vars(finding) for finding in findings])
    assert str(Path.home()) not in text and str(Path.cwd()) not in text
    words = text.replace("/", " ").replace('"', " ").split()
    assert socket.gethostname() not in words and getpass.getuser() not in words


def test_names_are_replaced_as_whole_words_only(monkeypatch):
    monkeypatch.setattr(doctor, "_user", lambda: "ada")
    monkeypatch.setattr(doctor.socket, "gethostname", lambda: "engine")
    told = doctor._without_names("/home/ada/x on engine, adamw of engines")
    assert told == "/home/USER/x on HOST, adamw of engines"


def test_without_a_compiler_the_sort_falls_to_pytorch(monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    sorting = found(doctor._sorting(), "sorting loss on the processor")
    assert sorting.found.startswith("torch") and "no C++ compiler" in sorting.found


def test_a_package_that_is_absent(monkeypatch):
    monkeypatch.setattr(doctor, "find_spec", lambda name: None)
    scann = found(doctor._packages(), "ScaNN")
    assert scann.found == "" and "exact" in scann.instead


def test_a_machine_with_a_card(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)

    class Card:
        name, total_memory, major, minor = "Some GPU", 80e9, 9, 0

    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: Card)
    assert found(doctor._gpus(), "GPU 0").found == "Some GPU, 80.0 GB, capability 9.0"


def test_the_command_prints_text_and_json(capsys):
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Versions\n") and f"  torch: {version('torch')}" in text
    assert main(["doctor", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {"group", "name", "found", "instead", "needed_by"} == listed[0].keys()
