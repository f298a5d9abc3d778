"""Where the frozen program starts."""

import gc

from exec_cf.__main__ import main

# The process ends before a collection would pay: 6 % of a spawn.
gc.disable()

main()
