"""The entry point of the frozen program."""

import gc

# The process is too short-lived for garbage collection to pay off: 6 % of a spawn.
gc.disable()

from exec_cf.__main__ import main  # noqa: E402  after the line above, since importing is most of the work

main()
