"""The process: real streams, clock and network around `exec_cf.cli`."""

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import os
import sys
from time import sleep

from exec_cf.cli import run
from exec_cf.streams import world


def main() -> None:
    """Run the program on this process's arguments and end it, without waiting for a thread that a slow peer holds."""
    os._exit(run(sys.argv[1:], world(os.environ, sleep)))


if __name__ == "__main__":
    main()
