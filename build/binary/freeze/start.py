"""Where the frozen program starts."""

import gc

# The process ends before a collection would pay: 6 % of a spawn.
gc.disable()

from exec_cf.__main__ import main  # noqa: E402  after the line above, since importing is most of the work

main()
