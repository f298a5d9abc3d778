"""Say which pinned sources and packages have a newer release of their series, or a known vulnerability.

usage: audit.py PINS LISTED PIP_AUDIT NPM_AUDIT

PINS are the pinned sources, and LISTED what the archive lists: a package and one of its versions a line. PIP_AUDIT and
NPM_AUDIT are what those programs wrote as JSON. An empty or broken file is something that could not be asked: that is
said, and fails too, since nothing is known then.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# A release of the same series has fixes alone; the numbers that a series is named by.
SERIES = {"openssl": 2, "musl": 1, "zlib": 1}

Version = tuple[int, ...]


def version(text: str) -> Version:
    """Return upstream's version in the name that the archive has for it, such as `1:1.3.dfsg+really1.3.2-3`."""
    upstream = re.sub(r"^\d+:|-[^-]*$", "", text).rpartition("+really")[2]
    return tuple(map(int, re.findall(r"\d+", upstream.partition("~")[0])))


def sources(pins: str, listed: str) -> Iterator[str]:
    """Yield what is wrong with the pinned sources."""
    found: dict[str, list[Version]] = {}
    for line in listed.splitlines():
        package, _, text = line.partition(" ")
        found.setdefault(package, []).append(version(text))
    for line in pins.splitlines():
        if line.startswith("#"):
            continue
        package, _, file, *_ = line.split("\t")
        own = version(re.sub(r"^[^_]*_|\.orig\.tar\.\w+$", "", file) + "-0")
        if package not in found:
            yield f"not known: the archive did not say which releases of {package} there are"
            continue
        series = own[: SERIES.get(package, 2)]
        newest = max((each for each in found[package] if each[: len(series)] == series), default=own)
        if newest > own:
            yield f"{package} {_text(own)}: take {_text(newest)}"


def _text(numbers: Version) -> str:
    return ".".join(map(str, numbers))


def wheels(report: str) -> Iterator[str]:
    """Yield what `pip-audit --format json` says."""
    packages = _loaded(report).get("dependencies")
    if not packages:
        yield "not known: pip-audit could not ask for the vulnerabilities of the Python packages"
    for package in packages or ():
        if reason := package.get("skip_reason"):
            yield f"not known: {package['name']}: {reason}"
        for fault in package.get("vulns", ()):
            yield f"{package['name']} {package['version']}: {fault['id']}: {_take(fault['fix_versions'])}"


def npm(report: str) -> Iterator[str]:
    """Yield what `npm audit --json` says."""
    faults = _loaded(report).get("vulnerabilities")
    if faults is None:
        yield "not known: npm audit could not ask for the vulnerabilities of the Worker's packages"
    for name, fault in (faults or {}).items():
        fix = fault.get("fixAvailable")
        versions = [fix["version"]] if isinstance(fix, dict) else []
        yield f"{name} {fault['range']}: {fault['severity']}: {_take(versions)}"


def _take(versions: list[str]) -> str:
    return f"take {' or '.join(versions)}" if versions else "there is no release without it yet"


def _loaded(report: str) -> dict[str, Any]:
    try:
        loaded = json.loads(report)
    except ValueError:
        return {}
    return loaded if isinstance(loaded, dict) else {}


def main(arguments: list[str]) -> int:
    """Print every fault, a line each."""
    if len(arguments) != 4:
        print(__doc__, file=sys.stderr)
        return 64
    pins, listed, pip_report, npm_report = (Path(name).read_text() for name in arguments)
    found = [*sources(pins, listed), *wheels(pip_report), *npm(npm_report)]
    for fault in found:
        print(fault, file=sys.stderr)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
