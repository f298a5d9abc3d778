"""A small program is started, its memory written, and the executable made of it: it continues with what it had.

Needs the compiler that the binary is built with, whose folder `TOOLCHAIN` names, as `make test-binary` does.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import elf
import pytest

from tests.snapshot.conftest import ROOT

SNAPSHOT = ROOT / "build/binary/snapshot"
WRAPPED = ("mmap", "getrandom", "syscall", "clock_gettime", "__clock_gettime", "fstat")

PROGRAM = """
#define _GNU_SOURCE
#include "snapshot.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
extern char __executable_start[];
static uintptr_t like_addresses[1 << 12];
static int counted = 7;
static char zeros[100000];
static char *small, *large, *stack;
static char **old_environment;
static unsigned char random_bytes[16];
static struct timespec then;
static struct stat input;

static void *idle(void *unused) { pause(); return unused; }

static char *mapped(size_t size, int access) {
    return mmap(NULL, size, access, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void prepare(const char *fault) {
    char here = 0;
    small = mapped(300000, PROT_READ | PROT_WRITE);
    large = mapped(40 << 20, PROT_NONE);
    mprotect(large + 65536, 65536, PROT_READ | PROT_WRITE);
    strcpy(small + 200000, "small");
    strcpy(large + 70000, "large");
    strcpy(zeros + 60000, "data");
    stack = &here;
    old_environment = environ;
    counted++;
    for (int i = 0; i < 1 << 12; i++) { like_addresses[i] = (uintptr_t)__executable_start + i * 512; }
    getrandom(random_bytes, 8, 0);
    syscall(SYS_getrandom, random_bytes + 8, 8, 0);
    clock_gettime(CLOCK_REALTIME, &then);
    fstat(0, &input);
    if (!strcmp(fault, "thread")) { pthread_t thread; pthread_create(&thread, NULL, idle, NULL); }
    if (!strcmp(fault, "file")) { dup2(0, 9); }
    if (!strcmp(fault, "memory")) {
        mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, open("/proc/self/exe", O_RDONLY | O_CLOEXEC), 0);
        close(4);
    }
    snapshot_write(3);
    _exit(0);
}

static int restored(char **arguments) {
    struct timespec now;
    unsigned char other[16];
    clock_gettime(CLOCK_REALTIME, &now);
    getrandom(other, 16, 0);
    printf("%d %s %s %s %s %s\\n", counted, small + 200000, large + 70000, zeros + 60000, arguments[1], getenv("NAME"));
    printf("%s %s\\n", stack ? "a pointer to another stack" : "none", old_environment ? "an environment" : "none");
    printf("%ld %s %s\\n", (long)then.tv_sec, now.tv_sec > then.tv_sec ? "later" : "not later",
           memcmp(other, random_bytes, 16) ? "random" : "not random");
    printf("%ld %d\\n", (long)input.st_size, S_ISCHR(input.st_mode));
    int kept = 0;
    while (kept < 1 << 12 && like_addresses[kept] == (uintptr_t)__executable_start + kept * 512) { kept++; }
    printf("%s\\n", kept == 1 << 12 ? "kept" : "lost");
    char *more = mapped(4096, PROT_READ | PROT_WRITE);
    strcpy(more, "more");
    pthread_t thread;
    printf("%s %d\\n", more, pthread_create(&thread, NULL, idle, NULL));
    return 0;
}

int main(int count, char **arguments) {
    if (!snapshot_taken) { prepare(count > 1 ? arguments[1] : ""); }
    return restored(arguments);
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the program, compiled."""
    toolchain = os.environ.get("TOOLCHAIN")
    if not toolchain or not Path(toolchain, "bin/musl-gcc").exists():
        pytest.skip("needs the compiler of the binary; make test-binary names it")
    folder = tmp_path_factory.mktemp("program")
    (folder / "program.c").write_text(PROGRAM)
    options = ["-O1", "-static", "-no-pie", "-fstack-protector-strong", f"-I{SNAPSHOT}", "-Wl,-z,relro,-z,now", "-s"]
    sources = [folder / "program.c", SNAPSHOT / "deterministic.c", SNAPSHOT / "dump.c"]
    wraps = [f"-Wl,--wrap={name}" for name in WRAPPED]
    command: list[str | Path] = [Path(toolchain, "bin/musl-gcc"), *options, *wraps, "-o", folder / "program", *sources]
    subprocess.run(command, check=True)
    return folder / "program"


def memory_of(program: Path, fault: str = "", **environ: str) -> tuple[subprocess.CompletedProcess[str], bytes]:
    """Start *program* with its descriptor 3 in a file, and return how that went and what it wrote."""
    memory = program.with_name("memory")
    command: list[str | Path] = ["sh", "-c", 'exec "$0" "$2" </dev/null 3>"$1"', program, memory, fault]
    done = subprocess.run(command, env=environ, text=True, capture_output=True, check=False)
    return done, memory.read_bytes()


@pytest.fixture(scope="module")
def snapshot(program: Path) -> Path:
    """Return the executable with the program's memory."""
    done, memory = memory_of(program)
    assert (done.returncode, done.stderr) == (0, "")
    made = program.with_name("made")
    made.write_bytes(elf.executable(elf.read_program(program.read_bytes()), elf.read_memory(memory)))
    made.chmod(0o755)
    return made


def test_it_continues_with_what_it_had_and_what_is_its_own(snapshot: Path) -> None:
    command: list[str | Path] = [snapshot, "argument"]
    done = subprocess.run(command, env={"NAME": "value"}, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "8 small large data argument value"
    assert lines[1] == "none none"
    assert lines[2] == "1700000000 later random"
    assert lines[3] == "0 1"
    # Texts that are an address of the executable when read as a number.
    assert lines[4] == "kept"
    assert lines[5] == "more 0"


def test_the_memory_is_the_same_each_time(program: Path) -> None:
    assert memory_of(program, HOME="/here")[1] == memory_of(program, HOME="/somewhere/else", USER="me")[1]


def test_memory_without_access_reads_as_zeros(program: Path) -> None:
    large = elf.read_memory(memory_of(program)[1])[2]
    assert large.address == 0x4000000
    assert large.data[:65536] == bytes(65536)
    assert large.data[70000:70005] == b"large"


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("thread", "there is more than one thread"),
        ("file", "a descriptor is open: 0x9"),
        ("memory", "there is memory outside of it, at 0x"),
    ],
)
def test_what_a_process_cannot_be_given_stops_the_build(program: Path, fault: str, sentence: str) -> None:
    done, _ = memory_of(program, fault)
    assert done.returncode == 1
    assert done.stderr.startswith(f"no snapshot can be taken: {sentence}")
    assert done.stderr.count("\n") == 1
