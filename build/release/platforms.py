"""The platforms with a binary, one row each: the only place for the names that a release uses for them.

usage: platforms.py             print the name of this machine's platform
       platforms.py --oci       print what the image format calls it
       platforms.py --images    print every platform that gets an image, a line each: its name, and the image format's
"""

import platform
import sys
from dataclasses import dataclass

PROGRAM = "orch-executor-cf-worker"


@dataclass(frozen=True)
class Platform:
    """One platform: its name in files, and what others call it.

    A static executable asks nothing of a C library, so one wheel carries glibc's tag and musl's. macOS's tag names the
    oldest release that the executable runs on.
    """

    name: str
    system: str
    machine: str
    wheel: str
    oci: str = ""

    @property
    def wheel_tag(self) -> str:
        """The compressed tag set of the wheel."""
        return f"py3-none-{self.wheel}"


PLATFORMS = {
    row.name: row
    for row in (
        Platform(
            "linux-x86_64",
            "Linux",
            "x86_64",
            "manylinux_2_17_x86_64.manylinux2014_x86_64.musllinux_1_1_x86_64",
            "linux/amd64",
        ),
        Platform(
            "linux-aarch64",
            "Linux",
            "aarch64",
            "manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64",
            "linux/arm64",
        ),
        Platform("macos-arm64", "Darwin", "arm64", "macosx_11_0_arm64"),
        Platform("macos-x86_64", "Darwin", "x86_64", "macosx_11_0_x86_64"),
    )
}


def this_platform() -> Platform:
    """Return the platform that this process runs on. Raises `SystemExit` if it has no binary."""
    for row in PLATFORMS.values():
        if (row.system, row.machine) == (platform.system(), platform.machine()):
            return row
    raise SystemExit(
        f"no binary is made for {platform.system()} {platform.machine()}: add a row to build/release/platforms.py"
    )


def named(name: str) -> Platform:
    """Return the platform called *name*. Raises `SystemExit` for any other name."""
    if name in PLATFORMS:
        return PLATFORMS[name]
    raise SystemExit(f"{name}: no such platform; there are {', '.join(PLATFORMS)}")


def main(arguments: list[str]) -> int:
    """Print what the arguments ask for."""
    match arguments:
        case []:
            print(this_platform().name)
        case ["--oci"]:
            print(this_platform().oci)
        case ["--images"]:
            print("\n".join(f"{row.name} {row.oci}" for row in PLATFORMS.values() if row.oci))
        case _:
            print(__doc__, file=sys.stderr)
            return 64
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
