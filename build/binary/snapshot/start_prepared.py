"""Where the program starts that a snapshot is taken of."""

import prepare

prepare.prepare()
