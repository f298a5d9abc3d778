import json
import subprocess
from pathlib import Path

import pytest
from audit import npm, sources, version, wheels

from tests.release.conftest import ROOT, script

PINS = ROOT / "build/binary/toolchain/sources.tsv"
PIN = "{package}\tforky\t{file}\t{sum}\t-\n"


def pin(package: str, file: str) -> str:
    return PIN.format(package=package, file=file, sum="0" * 64)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("3.13.15-1", (3, 13, 15)),
        ("3.5.7-1~deb13u3", (3, 5, 7)),
        ("1:1.3.dfsg+really1.3.2-3", (1, 3, 2)),
        ("1.2.6-2", (1, 2, 6)),
    ],
)
def test_upstreams_version_is_read_out_of_the_archives(text: str, numbers: tuple[int, ...]) -> None:
    assert version(text) == numbers


@pytest.mark.parametrize(
    ("package", "file", "listed", "faults"),
    [
        ("openssl", "openssl_3.5.7.orig.tar.gz", ["3.5.7-1", "3.5.9-1~deb13u1"], ["openssl 3.5.7: take 3.5.9"]),
        ("openssl", "openssl_3.5.9.orig.tar.gz", ["3.5.9-1", "3.6.5-1", "3.0.20-1~deb12u2"], []),
        ("openssl", "openssl_3.5.9.orig.tar.gz", ["3.5.10-1"], ["openssl 3.5.9: take 3.5.10"]),
        ("python3.13", "python3.13_3.13.15.orig.tar.xz", ["3.13.18-1"], ["python3.13 3.13.15: take 3.13.18"]),
        ("zlib", "zlib_1.3.dfsg+really1.3.2.orig.tar.gz", ["1:1.3.dfsg+really1.3.1-1", "1:1.3.dfsg+really1.3.2-4"], []),
        ("musl", "musl_1.2.6.orig.tar.gz", ["1.2.3-1", "1.3.0-1"], ["musl 1.2.6: take 1.3.0"]),
    ],
)
def test_the_newest_release_of_a_series_has_to_be_pinned(
    package: str, file: str, listed: list[str], faults: list[str]
) -> None:
    lines = "".join(f"{package} {each}\n" for each in listed)
    assert list(sources(pin(package, file), lines)) == faults


def test_a_package_that_the_archive_does_not_list_is_named() -> None:
    assert list(sources(PINS.read_text(), "")) == [
        f"not known: the archive did not say which releases of {package} there are"
        for package in ("musl", "zlib", "openssl", "python3.13")
    ]


def test_a_vulnerable_wheel_is_named_with_the_version_to_take() -> None:
    report = {
        "dependencies": [
            {"name": "idna", "version": "3.6", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.7"]}]},
            {"name": "h11", "version": "0.1", "vulns": [{"id": "PYSEC-2", "fix_versions": []}]},
            {"name": "httpx", "version": "0.28.1", "vulns": []},
            {"name": "nuitka", "skip_reason": "it is not on the index"},
        ]
    }
    assert list(wheels(json.dumps(report))) == [
        "idna 3.6: PYSEC-1: take 3.7",
        "h11 0.1: PYSEC-2: there is no release without it yet",
        "not known: nuitka: it is not on the index",
    ]


def test_a_vulnerable_npm_package_is_named_with_the_version_to_take() -> None:
    report = {
        "vulnerabilities": {
            "ai": {"range": "<7.1", "severity": "high", "fixAvailable": {"name": "ai", "version": "7.1.0"}},
            "zod": {"range": "*", "severity": "low", "fixAvailable": False},
        }
    }
    assert list(npm(json.dumps(report))) == [
        "ai <7.1: high: take 7.1.0",
        "zod *: low: there is no release without it yet",
    ]


@pytest.mark.parametrize("report", ["", "no JSON", "[]", "{}", '{"error": {"code": "ENOAUDIT"}}'])
def test_what_could_not_be_asked_is_never_passed_over(report: str) -> None:
    assert [line.partition(":")[0] for line in (*wheels(report), *npm(report))] == ["not known", "not known"]


def audited(folder: Path, listed: str) -> subprocess.CompletedProcess[str]:
    contents = {
        "listed": listed,
        "pip": '{"dependencies": [{"name": "a", "version": "1", "vulns": []}]}',
        "npm": '{"vulnerabilities": {}}',
    }
    for name, text in contents.items():
        (folder / name).write_text(text)
    return script("audit.py", PINS, *(folder / name for name in contents))


def test_all_well_says_nothing(tmp_path: Path) -> None:
    done = audited(tmp_path, "musl 1.2.6-1\nzlib 1.3.2-1\nopenssl 3.5.7-1\npython3.13 3.13.15-1\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_fault_fails(tmp_path: Path) -> None:
    done = audited(tmp_path, "musl 1.2.6-1\nzlib 1.3.2-1\nopenssl 3.5.8-1\npython3.13 3.13.15-1\n")
    assert (done.returncode, done.stderr) == (1, "openssl 3.5.7: take 3.5.8\n")
